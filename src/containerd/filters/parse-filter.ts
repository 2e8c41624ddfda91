// containerd's filters: `labels."a.b"==x,name~=^web` means both; a list of filters means any of them.
import { Failure } from '../../base/failure.ts'
import { compileLinearPattern, type LinearPattern } from '../../base/linear-pattern.ts'

/** What a filter asks of an object: the value at a path, undefined where there is none. */
export type FieldLookup = (path: readonly string[]) => string | undefined

export type Filter = (lookup: FieldLookup) => boolean

const FILTER_LENGTH_MAX = 4096

/** Matches when any of the filters does; an empty list matches everything. Throws `invalid-argument`. */
export function parseFilters(texts: readonly string[]): Filter {
  const filters = texts.map(parseFilter)
  return filters.length === 0 ? () => true : (lookup) => filters.some((filter) => filter(lookup))
}

/** One filter: conditions joined by commas, all of which must hold. The empty filter matches everything. */
export function parseFilter(text: string): Filter {
  if (text.length > FILTER_LENGTH_MAX) throw malformed(text.slice(0, 64), 0, 'too long')
  const scanner = new Scanner(text)
  if (scanner.atEnd()) return () => true
  const conditions = [parseCondition(scanner)]
  while (!scanner.atEnd()) {
    if (!scanner.take(',')) throw scanner.malformed('expected a comma')
    conditions.push(parseCondition(scanner))
  }
  return (lookup) => conditions.every((condition) => condition(lookup))
}

function parseCondition(scanner: Scanner): Filter {
  const path = [scanner.field()]
  while (scanner.take('.')) path.push(scanner.field())
  if (scanner.atEnd() || scanner.peek() === ',') return (lookup) => isSet(lookup(path)) // presence
  if (scanner.take('==')) {
    const wanted = scanner.value()
    return (lookup) => lookup(path) === wanted
  }
  if (scanner.take('!=')) {
    const unwanted = scanner.value()
    return (lookup) => lookup(path) !== unwanted
  }
  if (scanner.take('~=')) {
    const pattern = compile(scanner, scanner.value('|/'))
    return (lookup) => {
      const value = lookup(path)
      return value !== undefined && pattern.test(value)
    }
  }
  throw scanner.malformed('unsupported operator')
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}

function compile(scanner: Scanner, pattern: string): LinearPattern {
  try {
    return compileLinearPattern(pattern)
  } catch (error) {
    throw scanner.malformed((error as Error).message)
  }
}

class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length
  }

  peek(): string | undefined {
    return this.#text[this.#at]
  }

  take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    return true
  }

  /** A name of the path: an identifier or quoted. */
  field(): string {
    if (this.peek() === '"') return this.#quoted()
    const name = /^[A-Za-z_][A-Za-z0-9_-]*/.exec(this.#text.slice(this.#at))?.[0]
    if (name === undefined) throw this.malformed('expected a field')
    this.#at += name.length
    return name
  }

  /** Up to the next comma, or quoted; `delimiters` may stand for quotes, without escapes, and so spare a pattern its backslashes. */
  value(delimiters = ''): string {
    const first = this.peek()
    if (first === '"') return this.#quoted()
    if (first !== undefined && delimiters.includes(first)) {
      const end = this.#text.indexOf(first, this.#at + 1)
      const isWhole = end > 0 && (end + 1 === this.#text.length || this.#text[end + 1] === ',')
      if (isWhole) {
        const value = this.#text.slice(this.#at + 1, end)
        this.#at = end + 1
        return value
      }
    }
    const comma = this.#text.indexOf(',', this.#at)
    const value = this.#text.slice(this.#at, comma < 0 ? undefined : comma)
    if (value === '') throw this.malformed('expected a value')
    this.#at += value.length
    return value
  }

  malformed(reason: string): Failure {
    return malformed(this.#text, this.#at, reason)
  }

  #quoted(): string {
    const match = /^"(?:[^"\\]|\\.)*"/s.exec(this.#text.slice(this.#at))
    if (match === null) throw this.malformed('unclosed quote')
    this.#at += match[0].length
    const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r' }
    return match[0].slice(1, -1).replace(/\\(.)/gs, (_, char: string) => escapes[char] ?? char)
  }
}

function malformed(text: string, at: number, reason: string): Failure {
  return new Failure(
    'invalid-argument',
    `parse error: [${text.slice(0, at)} >|${text.slice(at)}|<]: ${reason}: invalid argument`,
  )
}

/** For records with labels: `labels.x`, `labels."x.y"`, and whatever other fields the record has. */
export function lookupIn(fields: Record<string, string | undefined>, labels: Record<string, string>): FieldLookup {
  return ([head, ...rest]) => {
    if (head === undefined) return undefined
    if (head === 'labels') return rest.length === 0 ? undefined : labels[rest.join('.')]
    return rest.length === 0 ? fields[head] : fields[[head, ...rest].join('.')]
  }
}
