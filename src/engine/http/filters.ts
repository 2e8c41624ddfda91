// The `filters` parameter: keys to sets of values. Values of one key are alternatives, keys must all hold.
import { Failure } from '../../base/failure.ts'
import { compileLinearPattern } from '../../base/linear-pattern.ts'

/** More than any client sends; every listed thing is compared with each. */
const VALUES_MAX = 1000

export class Filters {
  readonly #values: ReadonlyMap<string, ReadonlySet<string>>

  constructor(values: ReadonlyMap<string, ReadonlySet<string>>) {
    this.#values = values
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  get(key: string): readonly string[] {
    return [...(this.#values.get(key) ?? [])]
  }

  without(key: string): Filters {
    return new Filters(new Map([...this.#values].filter(([name]) => name !== key)))
  }

  /** True where the key has no values, or one of them passes. */
  some(key: string, test: (value: string) => boolean): boolean {
    const values = this.#values.get(key)
    if (values === undefined || values.size === 0) return true
    for (const value of values) if (test(value)) return true
    return false
  }

  exact(key: string, source: string): boolean {
    return this.some(key, (value) => value === source)
  }

  prefix(key: string, source: string): boolean {
    return this.some(key, (value) => source.startsWith(value))
  }

  /** As a regular expression, or literally; a value that is no expression only matches itself. */
  pattern(key: string, source: string): boolean {
    return this.some(key, (value) => value === source || matchesPattern(value, source))
  }

  /** `name` or `name=value`; all of them must hold. */
  labels(key: string, labels: Readonly<Record<string, string>>): boolean {
    return this.get(key).every((value) => hasLabel(labels, value))
  }

  /** Throws `invalid filter 'key=[values]'` unless exactly one truth is named. */
  boolean(key: string, fallback: boolean): boolean {
    const values = this.#values.get(key)
    if (!values) return fallback
    const isFalse = values.has('0') || values.has('false')
    const isTrue = values.has('1') || values.has('true')
    if (isFalse === isTrue) throw invalidFilter(values.size === 0 ? key : `${key}=[${[...values].join(' ')}]`)
    return isTrue
  }

  /** Throws `invalid filter 'key'` for a key that is not among `known`. */
  check(known: readonly string[]): this {
    for (const key of this.#values.keys()) if (!known.includes(key)) throw invalidFilter(key)
    return this
  }
}

/** Takes both forms: `{"key":{"value":true}}` and the old `{"key":["value"]}`. */
export function parseFilters(query: URLSearchParams, name = 'filters'): Filters {
  const text = query.get(name) ?? ''
  if (text === '') return new Filters(new Map())
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw new Failure('invalid-argument', 'invalid filter')
  }
  if (parsed === null) return new Filters(new Map())
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new Failure('invalid-argument', 'invalid filter')
  const values = new Map(Object.entries(parsed).map(([key, value]) => [key, parseValues(value)]))
  if ([...values.values()].reduce((count, set) => count + set.size, 0) > VALUES_MAX)
    throw new Failure('invalid-argument', 'invalid filter: too many values')
  return new Filters(values)
}

export function invalidFilter(subject: string): Failure {
  return new Failure('invalid-argument', `invalid filter '${subject}'`)
}

export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=')
  const name = equals < 0 ? wanted : wanted.slice(0, equals)
  if (!Object.hasOwn(labels, name)) return false
  return equals < 0 || labels[name] === wanted.slice(equals + 1)
}

function parseValues(value: unknown): ReadonlySet<string> {
  if (value === null) return new Set()
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return new Set(value)
  if (typeof value === 'object' && !Array.isArray(value) && Object.values(value).every((on) => typeof on === 'boolean'))
    return new Set(Object.keys(value).filter((key) => (value as Record<string, boolean>)[key]))
  throw new Failure('invalid-argument', 'invalid filter')
}

/** A pattern that can't be run in linear time matches nothing: names are a client's choice, and so are patterns. */
function matchesPattern(pattern: string, source: string): boolean {
  try {
    return compileLinearPattern(pattern).test(source)
  } catch {
    return false
  }
}
