// containerd's filters: `labels."a.b"==x,name~=^web` means both; a list of filters means any of them.
import { Failure } from '../../base/failure.ts'
import { compileLinearPattern, type LinearPattern } from '../../base/linear-pattern.ts'
import { FilterScanner, unquote } from './scan-filter.ts'

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
  if (text.length > FILTER_LENGTH_MAX)
    throw new Failure('invalid-argument', `filters: ${text.slice(0, 64)}…: too long: invalid argument`)
  if (text === '') return () => true
  const scanner = new FilterScanner(text)
  const conditions = [parseCondition(scanner)]
  while (scanner.peek() !== undefined) {
    if (scanner.peek() !== ',') throw scanner.unexpected()
    scanner.next()
    conditions.push(parseCondition(scanner))
  }
  return (lookup) => conditions.every((condition) => condition(lookup))
}

function parseCondition(scanner: FilterScanner): Filter {
  const path = [parseField(scanner)]
  while (scanner.peek() === '.') {
    scanner.next()
    path.push(parseField(scanner))
  }
  const next = scanner.peek()
  if (next === undefined || next === ',') return (lookup) => lookup(path) !== undefined // presence
  const operator = scanner.next()
  if (operator.kind !== 'operator') throw scanner.malformed(operator.at, 'expected an operator ("=="|"!="|"~=")')
  switch (operator.text) {
    case '==': {
      const wanted = parseValue(scanner)
      return (lookup) => lookup(path) === wanted
    }
    case '!=': {
      const unwanted = parseValue(scanner)
      return (lookup) => (lookup(path) ?? '') !== unwanted
    }
    case '~=': {
      const pattern = compile(parseValue(scanner, true))
      return (lookup) => pattern?.test(lookup(path) ?? '') ?? false
    }
    default:
      throw scanner.malformed(operator.at, `unsupported operator ${JSON.stringify(operator.text)}`)
  }
}

function parseField(scanner: FilterScanner): string {
  const { kind, text, at } = scanner.next()
  if (kind === 'field') return text
  if (kind !== 'quoted') throw scanner.malformed(at, 'expected field or quoted')
  if (!text.startsWith('"')) throw scanner.malformed(at, 'invalid quote encountered')
  return unquote(text)
}

/** Bars and slashes quote patterns only. */
function parseValue(scanner: FilterScanner, isPattern = false): string {
  const { kind, text, at } = scanner.next()
  if (kind === 'value' || kind === 'field') return text
  if (kind !== 'quoted') throw scanner.malformed(at, 'expected value or quoted')
  if (!isPattern && !text.startsWith('"')) throw scanner.malformed(at, 'invalid quote encountered')
  return unquote(text)
}

/** What is no pattern is no error: it matches nothing. */
function compile(pattern: string): LinearPattern | undefined {
  try {
    return compileLinearPattern(pattern)
  } catch {
    return undefined
  }
}

/** For records with labels: `labels.x`, `labels."x.y"`, and whatever other fields the record has. An empty field is none; an empty label is one. */
export function lookupIn(fields: Record<string, string | undefined>, labels: Record<string, string>): FieldLookup {
  return ([head, ...rest]) => {
    if (head === undefined) return undefined
    if (head === 'labels') return rest.length === 0 ? undefined : fieldOf(labels, rest.join('.'))
    return fieldOf(fields, [head, ...rest].join('.')) || undefined
  }
}

/** Not what every object inherits. */
function fieldOf(record: Record<string, string | undefined>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}
