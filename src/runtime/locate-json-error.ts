// Where a text stops being JSON, for whoever has to mend it. JSON.parse says that in each engine's own words, or not at all.

const SPACE = /[ \t\n\r]*/y
const SCALAR =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const KEY = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"(?=[ \t\n\r]*:)/y

/** @param text what JSON.parse has refused. */
export function locateJsonError(text: string): string {
  const at = findError(text)
  const before = text.slice(0, at).split('\n')
  const found = at >= text.length ? 'the text ends too early' : `unexpected ${JSON.stringify(text[at])}`
  return `not valid JSON: ${found} in line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}

/** What may come next: the grammar is small enough to be walked with a list of what is open. */
type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing'

function findError(text: string): number {
  const open: ('{' | '[')[] = []
  let expected: Expected = 'value'
  let at = 0
  for (;;) {
    at += matchLength(SPACE, text, at)
    if (at >= text.length) return at
    const next = step(text, at, expected, open)
    if (next === undefined) return at
    at += next.size
    expected = next.expected
  }
}

function step(
  text: string,
  at: number,
  expected: Expected,
  open: ('{' | '[')[],
): { size: number; expected: Expected } | undefined {
  const character = text[at]
  const after = (size: number): { size: number; expected: Expected } => ({
    size,
    expected: open.length === 0 ? 'nothing' : 'comma or end',
  })
  if (expected.endsWith('or end') && character === (open.at(-1) === '{' ? '}' : ']')) {
    open.pop()
    return after(1)
  }
  if (expected === 'comma or end')
    return character === ',' ? { size: 1, expected: open.at(-1) === '{' ? 'key' : 'value' } : undefined
  if (expected === 'colon') return character === ':' ? { size: 1, expected: 'value' } : undefined
  if (expected.startsWith('key')) {
    const size = matchLength(KEY, text, at)
    return size > 0 ? { size, expected: 'colon' } : undefined
  }
  if (expected === 'nothing') return undefined
  if (character === '{' || character === '[') {
    open.push(character)
    return { size: 1, expected: character === '{' ? 'key or end' : 'value or end' }
  }
  const size = matchLength(SCALAR, text, at)
  return size > 0 ? after(size) : undefined
}

function matchLength(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length ?? 0
}
