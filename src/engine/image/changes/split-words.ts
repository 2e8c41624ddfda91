// Words of a Dockerfile instruction: where one ends, and what quotes, backslashes and variables in it come to.
import { Failure } from '../../../base/failure.ts'

/** Split at blanks outside of quotes; quotes and backslashes stay in the words. */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let word = ''
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    if (quote === '' && /\s/.test(char)) {
      if (word !== '') words.push(word)
      word = ''
      continue
    }
    word += char
    if (char === '\\' && quote !== "'" && at + 1 < text.length) word += text[++at]
    else if (quote !== '') quote = char === quote ? '' : quote
    else if (char === '"' || char === "'") quote = char
  }
  if (word !== '') words.push(word)
  return words
}

/** What a shell would make of one word: quotes gone, `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}` replaced. */
export function expandWord(word: string, variables: ReadonlyMap<string, string>): string {
  return new WordReader(word, variables).read('')
}

class WordReader {
  readonly #word: string
  readonly #variables: ReadonlyMap<string, string>
  #at = 0

  constructor(word: string, variables: ReadonlyMap<string, string>) {
    this.#word = word
    this.#variables = variables
  }

  /** Up to `end`, which is passed over; '' reads all. */
  read(end: string): string {
    let text = ''
    while (this.#at < this.#word.length) {
      const char = this.#word[this.#at++] ?? ''
      if (char === end) return text
      if (char === "'" && end !== '"') text += this.#untilQuote()
      else if (char === '"' && end !== '"') text += this.read('"')
      else if (char === '\\') text += this.#escaped(end)
      else if (char === '$') text += this.#variable()
      else text += char
    }
    if (end === '"')
      throw new Failure('invalid-argument', 'unexpected end of statement while looking for matching double-quote')
    if (end === '}') throw new Failure('invalid-argument', 'syntax error: missing }')
    return text
  }

  #untilQuote(): string {
    const close = this.#word.indexOf("'", this.#at)
    if (close < 0)
      throw new Failure('invalid-argument', 'unexpected end of statement while looking for matching single-quote')
    const text = this.#word.slice(this.#at, close)
    this.#at = close + 1
    return text
  }

  /** Within double quotes only what means something there loses its backslash. */
  #escaped(end: string): string {
    const next = this.#word[this.#at++]
    if (next === undefined) return '' // a backslash at the end stands for nothing
    return end === '"' && !'"$\\'.includes(next) ? `\\${next}` : next
  }

  #variable(): string {
    if (this.#word[this.#at] !== '{') {
      const name = /^(?:[A-Za-z_]\w*|\d|[@*#])/.exec(this.#word.slice(this.#at))?.[0]
      if (name === undefined) return '$'
      this.#at += name.length
      return this.#variables.get(name) ?? ''
    }
    this.#at++
    const name = /^(?:[A-Za-z_]\w*|\d|[@*#])/.exec(this.#word.slice(this.#at))?.[0]
    if (name === undefined) throw new Failure('invalid-argument', 'syntax error: bad substitution')
    this.#at += name.length
    const value = this.#variables.get(name)
    const operator = this.#word[this.#at++]
    if (operator === '}') return value ?? ''
    if (operator !== ':')
      throw new Failure('invalid-argument', `unsupported modifier (${operator ?? ''}) in substitution`)
    const modifier = this.#word[this.#at++] ?? ''
    const other = this.read('}')
    switch (modifier) {
      case '-':
        return value === undefined || value === '' ? other : value
      case '+':
        return value === undefined || value === '' ? '' : other
      case '?':
        if (value !== undefined && value !== '') return value
        throw new Failure('invalid-argument', `${name}: ${other === '' ? 'is not allowed to be unset' : other}`)
      default:
        throw new Failure('invalid-argument', `unsupported modifier (${modifier}) in substitution`)
    }
  }
}
