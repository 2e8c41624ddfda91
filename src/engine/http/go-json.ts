// Bodies of requests read by the rules of Go's decoder, which every client was written against: names of fields match in any case, unknown
// fields are passed over, null stands for absent, and a wrong type is told in Go's words.
import { Failure } from '../../base/failure.ts'

export type GoType =
  | { readonly kind: 'string' | 'bool' | 'integer'; readonly name: string }
  /** A list, or its only item bare. */
  | { readonly kind: 'words'; readonly name: string }
  | { readonly kind: 'list' | 'map'; readonly of: GoType; readonly name: string }
  | { readonly kind: 'struct'; readonly fields: ReadonlyMap<string, Field>; readonly name: string }

interface Field {
  readonly name: string
  readonly type: GoType
}

export const STRING: GoType = { kind: 'string', name: 'string' }
export const BOOL: GoType = { kind: 'bool', name: 'bool' }
export const INTEGER: GoType = { kind: 'integer', name: 'int64' }
export const WORDS: GoType = { kind: 'words', name: 'string' }

export function list(of: GoType): GoType {
  return { kind: 'list', of, name: `[]${of.name}` }
}

export function map(of: GoType): GoType {
  return { kind: 'map', of, name: `map[string]${of.name}` }
}

export function struct(name: string, fields: Readonly<Record<string, GoType>>): GoType {
  const entries = Object.entries(fields).map(([field, type]) => [field.toLowerCase(), { name: field, type }] as const)
  return { kind: 'struct', name, fields: new Map(entries) }
}

/** Several fields of one type: names with spaces between. */
export function each(type: GoType, names: string): Record<string, GoType> {
  return Object.fromEntries(names.split(' ').map((name) => [name, type]))
}

/** A new value that holds known fields only, under their proper names. Throws invalid-argument. The caller says what type it has become. */
export function decodeGo(value: unknown, type: GoType): unknown {
  return decode(value, type, { root: type.name, path: [] })
}

interface Place {
  readonly root: string
  readonly path: readonly string[]
}

/** Undefined: null, where the field is as good as absent. */
function decode(value: unknown, type: GoType, place: Place): unknown {
  if (value === null || value === undefined) return isScalar(type) ? undefined : null
  switch (type.kind) {
    case 'string':
      return typeof value === 'string' ? value : refuse(value, type, place)
    case 'bool':
      return typeof value === 'boolean' ? value : refuse(value, type, place)
    case 'integer':
      return typeof value === 'number' && Number.isSafeInteger(value) ? value : refuse(value, type, place)
    case 'words':
      if (typeof value === 'string') return [value]
      return Array.isArray(value) ? value.map((item) => decode(item, STRING, place) ?? '') : refuse(value, type, place)
    case 'list':
      return Array.isArray(value) ? value.map((item) => decodeItem(item, type.of, place)) : refuse(value, type, place)
    case 'map':
      return isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decodeItem(item, type.of, place)]))
        : refuse(value, type, place)
    case 'struct':
      return isObject(value) ? decodeFields(value, type.fields, place) : refuse(value, type, place)
  }
}

/** Inside lists and maps null is Go's zero value, except where a list may be missing. */
function decodeItem(value: unknown, type: GoType, place: Place): unknown {
  if (value !== null) return decode(value, type, place)
  switch (type.kind) {
    case 'string':
      return ''
    case 'bool':
      return false
    case 'integer':
      return 0
    case 'struct':
      return type.fields.size === 0 ? {} : null
    default:
      return null
  }
}

function decodeFields(value: object, fields: ReadonlyMap<string, Field>, { root, path }: Place): object {
  const found: [string, unknown][] = []
  for (const [key, item] of Object.entries(value)) {
    const field = fields.get(key.toLowerCase())
    if (field === undefined) continue
    const decoded = decode(item, field.type, { root, path: [...path, field.name] })
    if (decoded !== undefined) found.push([field.name, decoded])
  }
  return Object.fromEntries(found)
}

function isScalar(type: GoType): boolean {
  return type.kind === 'string' || type.kind === 'bool' || type.kind === 'integer'
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuse(value: unknown, type: GoType, { root, path }: Place): never {
  const target = path.length === 0 ? 'Go value' : `Go struct field ${[root, ...path].join('.')}`
  const text = `json: cannot unmarshal ${describe(value, type)} into ${target} of type ${type.name}`
  throw new Failure('invalid-argument', `invalid JSON: ${text}`)
}

function describe(value: unknown, type: GoType): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number' && type.kind === 'integer') return `number ${value}`
  return typeof value
}
