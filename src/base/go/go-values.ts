// Values as Go's fmt and reflect see them: how they print, and what their types are called.
import { GoFloat } from './go-float.ts'

/** Property of a value: what its type is called in Go, for messages about fields that it lacks. */
export const GO_TYPE = Symbol('type in Go')

/** As %v prints it. */
export function toText(value: unknown): string {
  if (value === undefined) return '<no value>'
  if (value === null) return '<nil>'
  if (value instanceof GoFloat) return value.toString()
  if (Array.isArray(value)) return `[${value.map(toText).join(' ')}]`
  if (typeof value !== 'object') return String(value)
  const entries = Object.entries(value).filter(([, item]) => typeof item !== 'function')
  if (isStruct(value)) return `{${entries.map(([, item]) => toText(item)).join(' ')}}`
  return `map[${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${key}:${toText(item)}`)
    .join(' ')}]`
}

/** As %+v prints it: structs with the names of their fields. */
export function toFullText(value: unknown): string {
  if (value === null || typeof value !== 'object' || value instanceof GoFloat) return toText(value)
  if (Array.isArray(value)) return `[${value.map(toFullText).join(' ')}]`
  if (!isStruct(value)) return toText(value)
  const entries = Object.entries(value).filter(([, item]) => typeof item !== 'function')
  return `{${entries.map(([key, item]) => `${key}:${toFullText(item)}`).join(' ')}}`
}

/** Objects whose keys are names of fields, not data: those start with a capital letter. */
export function isStruct(value: object): boolean {
  const keys = Object.keys(value)
  return !Array.isArray(value) && keys.length > 0 && keys.every((key) => /^[A-Z]\w*$/.test(key))
}

/** As %T prints it, of values that came as JSON or stand in a template. */
export function goType(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (value instanceof GoFloat) return 'float64'
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string') ? '[]string' : '[]interface {}'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'number':
    case 'bigint':
      return 'int'
    case 'string':
      return 'string'
    case 'function':
      return 'func()'
    default:
      return 'map[string]interface {}'
  }
}

/** Whether `if` takes it for true: not the zero value of its type, and not empty. */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return false
  if (value instanceof GoFloat) return value.value !== 0
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object') return Object.keys(value).length > 0
  return true
}
