// A filter's text as tokens. What a character means depends on where it stands: after an operator comes a value, which takes nearly everything up to a comma or a blank.
import { Failure } from '../../base/failure.ts'

export interface Token {
  kind: 'field' | 'value' | 'quoted' | 'separator' | 'operator' | 'other' | 'end'
  text: string
  at: number
}

const FIELD = /[A-Za-z0-9_]+/y
const OPERATOR = /[=!~]+/y
/** Graphic characters of Unicode but the comma and blanks. */
const VALUE = /[^,\s\p{C}\p{Zl}\p{Zp}]+/uy
/** Strings as Go writes them, between double quotes, bars or slashes. */
const QUOTED =
  /(["|/])(?:(?!\1)[^\\\n]|\\(?:[abfnrtv\\]|\1|[0-7]{3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}))*\1/uy
const ESCAPE = /\\(?:([0-7]{3})|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))/gsu
const LETTERS: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

export class FilterScanner {
  readonly #text: string
  #at = 0
  #expectsValue = false

  constructor(text: string) {
    this.#text = text
  }

  /** The next character, blanks included; undefined at the end. */
  peek(): string | undefined {
    const code = this.#text.codePointAt(this.#at)
    return code === undefined ? undefined : String.fromCodePoint(code)
  }

  next(): Token {
    while (/\s/.test(this.peek() ?? '')) this.#at++
    const at = this.#at
    const first = this.peek()
    if (first === undefined) return { kind: 'end', text: '', at: this.#text.length }
    if ('"|/'.includes(first)) return this.#quoted()
    if (first === ',' || first === '.') {
      this.#expectsValue = false
      return this.#token('separator', /[,.]/y)
    }
    if ('=!~'.includes(first)) {
      this.#expectsValue = true
      return this.#token('operator', OPERATOR)
    }
    if (this.#expectsValue) {
      this.#expectsValue = false
      if (matchAt(VALUE, this.#text, at) !== undefined) return this.#token('value', VALUE)
    }
    if (/[A-Za-z0-9_]/.test(first)) return this.#token('field', FIELD)
    this.#at += first.length
    return { kind: 'other', text: first, at }
  }

  /** Names the place in containerd's way: the character between arrows, unless it is the end. */
  malformed(at: number, reason: string): Failure {
    const text = this.#text
    const place =
      at < text.length ? `[${text.slice(0, at)} >|${text.slice(at, at + 1)}|< ${text.slice(at + 1)}]` : `[${text}]`
    return new Failure('invalid-argument', `filters: parse error: ${place}: ${reason}: invalid argument`)
  }

  /** What comes next is not what may. */
  unexpected(): Failure {
    const first = this.peek() ?? ''
    return this.malformed(this.#at + first.length - 1, `unexpected input: ${first}`)
  }

  #token(kind: Token['kind'], pattern: RegExp): Token {
    const at = this.#at
    const text = matchAt(pattern, this.#text, at) ?? ''
    this.#at += text.length
    return { kind, text, at }
  }

  #quoted(): Token {
    const at = this.#at
    const token = this.#token('quoted', QUOTED)
    if (token.text !== '') return token
    const closed = /^(["|/])(?:(?!\1)[^\\\n]|\\.)*\1/su.test(this.#text.slice(at))
    throw this.malformed(at, closed ? 'illegal escape sequence' : 'quoted literal not terminated')
  }
}

/** What is between the quotes of a token. */
export function unquote(text: string): string {
  return text
    .slice(1, -1)
    .replace(ESCAPE, (_, octal?: string, byte?: string, short?: string, long?: string, letter = '') => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
      const hex = byte ?? short ?? long
      if (hex !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10ffff))
      return LETTERS[letter] ?? letter
    })
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}
