// JSON as Go's encoder writes it.

/** Property of a value whose type has a MarshalJSON of its own in the Docker CLI, beside its `toJSON`. */
export const MARSHALER = Symbol('MarshalJSON')

/**
 * Compact. `isForHtml`: the encoder's own habit of escaping what HTML gives a meaning. Values that marshal themselves (`MARSHALER`) have it whatever
 * the encoder around them was told, however deep they are.
 */
export function goJson(value: unknown, isForHtml = false): string {
  // JSON.stringify has no way to write an integer that a number can't hold, or a part that is written already: each is written as a string that nobody
  // else has, and put in its place.
  let mark: string | undefined
  const pieces: string[] = []
  const hold = (text: string) => {
    mark ??= `held-${Math.random().toString(36).slice(2)}:`
    return `${mark}${pieces.push(text) - 1}`
  }
  function replace(this: Record<string, unknown>, key: string, item: unknown): unknown {
    if (typeof item === 'bigint') return hold(String(item))
    return !isForHtml && marshalsItself(this[key]) ? hold(goJson(item, true)) : item
  }
  const raw = JSON.stringify(value ?? null, replace) ?? 'null'
  const fill = (_match: string, at: string) => pieces[Number(at)] ?? ''
  const exact = mark === undefined ? raw : raw.replace(new RegExp(`"${mark}(\\d+)"`, 'g'), fill)
  const text = exact.replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029')
  return isForHtml ? escapeForHtml(text) : text
}

function marshalsItself(value: unknown): boolean {
  return typeof value === 'object' && value !== null && MARSHALER in value
}

/** JSON with what HTML gives a meaning as escapes: outside strings JSON has none of these. */
export function escapeForHtml(json: string): string {
  return json.replace(/[<>&]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
}

/** Keys in the order of Go's maps. */
export function sortKeys<T>(value: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * Indents JSON without changing a byte of its values: what the engine wrote, numbers past 2^53 included.
 * Whitespace between the tokens is expected to be none or any.
 */
export function indentJson(text: string, indent: string): string {
  let out = ''
  let depth = 0
  const newline = () => `\n${indent.repeat(depth)}`
  const TOKEN = /\s+|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/y
  let isEmpty = false
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const [token] = match
    if (token.trim() === '') continue
    if (token === '}' || token === ']') {
      depth--
      out += isEmpty ? token : newline() + token
      isEmpty = false
      continue
    }
    if (isEmpty) out += newline()
    isEmpty = token === '{' || token === '['
    if (isEmpty) depth++
    out += token === ',' ? `,${newline()}` : token === ':' ? ': ' : token
  }
  return out
}
