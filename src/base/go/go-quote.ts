// Go's %q.

const NAMED: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** A double-quoted Go string: printable characters stay as they are. */
export function goQuote(text: string): string {
  const escaped = text.replace(/["\\\u0000-\u001f\u007f-\u00a0\u00ad\u2028\u2029]/g, (letter) => {
    const code = letter.charCodeAt(0)
    return NAMED[letter] ?? (code < 0x80 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
  })
  return `"${escaped}"`
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, '0')
}
