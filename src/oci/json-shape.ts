// Reading untrusted JSON: what is not of the shape that was asked for is a Failure that says where.
import { Failure } from '../base/failure.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** `what` is the document's name in messages. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new Failure('invalid-argument', `${what}: ${describeJsonError(error)}`, { cause: error })
  }
  return objectOf(value, what)
}

/** What `JSON.parse` threw, in the words of Go's decoder, which scripts grep for. */
export function describeJsonError(error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  const token = /^Unexpected token '?(.)/s.exec(message)?.[1]
  if (token !== undefined) return `invalid character '${escapeControl(token)}' looking for beginning of value`
  return /not valid for encoding/.test(message) ? 'invalid UTF-8' : 'unexpected EOF'
}

function escapeControl(character: string): string {
  const code = character.charCodeAt(0)
  return code < 0x20 ? `\\x${code.toString(16).padStart(2, '0')}` : character
}

export function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(what, 'an object')
  return value as JsonObject
}

export function stringOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw wrong(what, 'a string')
  return value
}

/** Go writes nil slices as null. */
export function listOf<T>(
  value: unknown,
  what: string,
  item: (value: unknown, what: string) => T,
  lengthMax = 10_000,
): T[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw wrong(what, 'a list')
  if (value.length > lengthMax) throw new Failure('invalid-argument', `${what}: more than ${lengthMax} items`)
  return value.map((entry, i) => item(entry, `${what}[${i}]`))
}

export function optional<T>(value: unknown, what: string, parse: (value: unknown, what: string) => T): T | undefined {
  return value === undefined || value === null ? undefined : parse(value, what)
}

export function numberOf(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(what, 'a whole number')
  return value
}

export function booleanOf(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw wrong(what, 'true or false')
  return value
}

export function stringMapOf(value: unknown, what: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(objectOf(value, what)).map(([key, entry]) => [key, stringOf(entry, `${what}.${key}`)]),
  )
}

function wrong(what: string, wanted: string): Failure {
  return new Failure('invalid-argument', `${what}: not ${wanted}`)
}
