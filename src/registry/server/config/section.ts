// A part of the configuration file, read key by key. What nobody has asked for in the end is an error: a misspelt key is never ignored.
import { Failure } from '../../../base/failure.ts'
import { objectOf } from '../../../oci/json-shape.ts'

export class Section {
  readonly #path: string
  readonly #entries: Map<string, unknown>
  readonly #children: Section[] = []

  constructor(value: unknown, path = '') {
    this.#path = path
    this.#entries = new Map(value === null ? [] : Object.entries(objectOf(value, path || 'configuration')))
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** An empty one where there is none. */
  section(key: string): Section {
    const child = new Section(this.#take(key) ?? null, this.#name(key))
    this.#children.push(child)
    return child
  }

  sections(key: string): Section[] {
    return this.#list(key).map((value, at) => {
      const child = new Section(value, `${this.#name(key)}[${at}]`)
      this.#children.push(child)
      return child
    })
  }

  text(key: string): string | undefined {
    const value = this.#take(key)
    if (value === undefined || value === null) return undefined
    if (typeof value === 'object') throw this.wrong(key, 'a text')
    return String(value)
  }

  requiredText(key: string): string {
    const value = this.text(key)
    if (value === undefined || value === '') throw this.wrong(key, 'given')
    return value
  }

  oneOf<T extends string>(key: string, words: readonly T[]): T | undefined {
    const value = this.text(key)
    const found = words.find((word) => word === value)
    if (value !== undefined && found === undefined) throw this.wrong(key, `one of ${words.join(', ')}`)
    return found
  }

  flag(key: string): boolean | undefined {
    const value = this.#take(key)
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'boolean') throw this.wrong(key, 'true or false')
    return value
  }

  /** Whole and not negative. */
  count(key: string): number | undefined {
    const value = this.#take(key)
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.wrong(key, 'a whole number')
    return value
  }

  /** Milliseconds of a duration as Go writes it; a bare number is of nanoseconds there. */
  duration(key: string): number | undefined {
    const value = this.#take(key)
    if (value === undefined || value === null) return undefined
    const found = typeof value === 'number' ? value / 1e6 : parseDuration(String(value))
    if (found === undefined) throw this.wrong(key, 'a duration such as 1h30m')
    return found
  }

  texts(key: string): string[] {
    return this.#list(key).map((value) => {
      if (typeof value === 'object') throw this.wrong(key, 'a list of texts')
      return String(value)
    })
  }

  /** Texts by name; one text stands for a list of it. */
  textLists(key: string): Record<string, string[]> {
    const value = this.#take(key)
    if (value === undefined || value === null) return {}
    return Object.fromEntries(
      Object.entries(objectOf(value, this.#name(key))).map(([name, given]) => {
        const list: unknown[] = Array.isArray(given) ? given : [given]
        if (list.some((each) => typeof each === 'object')) throw this.wrong(key, 'texts by name')
        return [name, list.map(String)]
      }),
    )
  }

  /** Keys that mean nothing here, and say so by their presence in the caller's code. */
  ignore(...keys: string[]): void {
    for (const key of keys) this.#take(key)
  }

  names(): string[] {
    return [...this.#entries.keys()]
  }

  /** Throws for the first key that nobody asked for, here and below. */
  finish(): void {
    const [unknown] = this.#entries.keys()
    if (unknown !== undefined)
      throw new Failure('invalid-argument', `configuration: ${this.#name(unknown)} is not a setting of this registry`)
    for (const child of this.#children) child.finish()
  }

  wrong(key: string, wanted: string): Failure {
    return new Failure('invalid-argument', `configuration: ${this.#name(key)} must be ${wanted}`)
  }

  #take(key: string): unknown {
    const value = this.#entries.get(key)
    this.#entries.delete(key)
    return value
  }

  #list(key: string): unknown[] {
    const value = this.#take(key)
    if (value === undefined || value === null) return []
    if (!Array.isArray(value)) throw this.wrong(key, 'a list')
    return value
  }

  #name(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`
  }
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** `1h30m`, `100ms`, `0`. Undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
  return parts.reduce((sum, [, number = '0', unit = 's']) => sum + Number(number) * (UNIT_MS[unit] ?? 0), 0)
}
