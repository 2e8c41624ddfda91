// Parsers for JSON of unknown origin: each returns what it promises or throws a Failure that names the field.
import { Failure } from '../base/failure.ts'

export type Parser<T> = (value: unknown, field: string) => T

/** Bounds what a hostile document can make us keep: elements of one list or map, characters of one string. */
const ELEMENTS_MAX = 100_000
const CHARACTERS_MAX = 1 << 20

function reject(field: string, wanted: string): never {
  throw new Failure('invalid-argument', `${field}: must be ${wanted}`)
}

export const boolean: Parser<boolean> = (value, field) =>
  typeof value === 'boolean' ? value : reject(field, 'true or false')

/** No NUL: every string of a spec ends up in the kernel, which would stop reading there. */
export const text: Parser<string> = (value, field) => {
  if (typeof value !== 'string') return reject(field, 'a string')
  if (value.length > CHARACTERS_MAX) return reject(field, `at most ${CHARACTERS_MAX} characters long`)
  return value.includes('\0') ? reject(field, 'a string without NUL characters') : value
}

/** Within what a 64 bit field can say; JSON rounds what lies beyond 2^53. */
export const integer: Parser<number> = (value, field) => {
  if (typeof value !== 'number' || !Number.isInteger(value)) return reject(field, 'an integer')
  return Math.abs(value) <= 2 ** 64 ? value : reject(field, 'an integer of at most 64 bits')
}

export const natural: Parser<number> = (value, field) => {
  const number = integer(value, field)
  return number >= 0 ? number : reject(field, 'an integer that is not negative')
}

export function within(least: number, most: number): Parser<number> {
  return (value, field) => {
    const number = integer(value, field)
    return number >= least && number <= most ? number : reject(field, `an integer from ${least} to ${most}`)
  }
}

export function oneOf<T extends string>(...choices: readonly T[]): Parser<T> {
  return (value, field) => choices.find((choice) => choice === value) ?? reject(field, `one of ${choices.join(', ')}`)
}

export function list<T>(item: Parser<T>): Parser<T[]> {
  return (value, field) => {
    if (!Array.isArray(value) || value.length > ELEMENTS_MAX) return reject(field, 'a list')
    return value.map((element: unknown, index) => item(element, `${field}[${index}]`))
  }
}

export function record<T>(item: Parser<T>): Parser<Record<string, T>> {
  return (value, field) => {
    const entries = Object.entries(requireObject(value, field))
    if (entries.length > ELEMENTS_MAX) return reject(field, 'a smaller object')
    if (entries.some(([key]) => key.includes('\0')))
      return reject(field, 'an object without NUL characters in its names')
    return Object.fromEntries(entries.map(([key, element]) => [key, item(element, `${field}.${key}`)]))
  }
}

/** null is absent, as for Go's encoder. Fields that the shape does not name are left out. */
export function object<T extends object>(
  shape: { [K in keyof T]-?: Parser<Exclude<T[K], undefined>> },
  ...required: readonly (keyof T & string)[]
): Parser<T> {
  return (value, field) => {
    const source = requireObject(value, field)
    const prefix = field === '' ? '' : `${field}.`
    for (const name of required)
      if (source[name] === undefined || source[name] === null) reject(`${prefix}${name}`, 'given')
    const parsed = (Object.entries(shape) as [string, Parser<unknown>][]).flatMap(([name, parse]) => {
      const item = Object.hasOwn(source, name) ? source[name] : undefined
      return item === undefined || item === null ? [] : [[name, parse(item, `${prefix}${name}`)] as const]
    })
    return Object.fromEntries(parsed) as T
  }
}

function requireObject(value: unknown, field: string): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : reject(field === '' ? 'spec' : field, 'an object')
}
