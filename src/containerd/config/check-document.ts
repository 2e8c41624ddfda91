// A file's values against the table: wrong kinds are refused, unknown keys are told of and left out.
import { Failure, messageOf } from '../../base/failure.ts'
import { parseDuration } from './duration.ts'
import type { Document, Kind, Section } from './schema.ts'

export type KeyPath = readonly string[]

export interface Checked {
  document: Document
  /** Left out of `document`. */
  unknown: KeyPath[]
}

/** Throws `invalid-argument` of the key whose value is of a wrong kind; `path` is where the section stands. */
export function checkDocument(values: Document, section: Section, path: KeyPath = []): Checked {
  const document: Document = {}
  const unknown: KeyPath[] = []
  for (const [key, value] of Object.entries(values)) {
    const here = [...path, key]
    const kind = (Object.hasOwn(section, key) ? section[key] : undefined) ?? section['*']
    if (kind === undefined) unknown.push(here)
    else if (typeof kind === 'string') document[key] = checkValue(value, kind, here)
    else {
      const below = checkDocument(checkTable(value, here), kind, here)
      document[key] = below.document
      unknown.push(...below.unknown)
    }
  }
  return { document, unknown }
}

/** Names the key, so that whoever has the text can say where it stands. */
export class KeyFailure extends Failure {
  readonly path: KeyPath

  constructor(path: KeyPath, message: string) {
    super('invalid-argument', message)
    this.path = path
  }
}

function checkTable(value: unknown, path: KeyPath): Document {
  if (!isTable(value)) throw wrongKind(value, 'table', path)
  return value
}

export function isTable(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function checkValue(value: unknown, kind: Kind, path: KeyPath): unknown {
  switch (kind) {
    case 'any':
      return value
    case 'integer':
      if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return Number(value)
      throw wrongKind(value, 'int', path)
    case 'number':
      if (typeof value === 'number') return value
      if (typeof value === 'bigint') return Number(value)
      throw wrongKind(value, 'float64', path)
    case 'duration':
      if (typeof value !== 'string') throw wrongKind(value, 'duration', path)
      return checkDuration(value, path)
    case 'strings':
      if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
      throw wrongKind(value, '[]string', path)
    default: // the names of JavaScript's own types
      if (typeof value === kind) return value
      throw wrongKind(value, kind === 'boolean' ? 'bool' : kind, path)
  }
}

function checkDuration(text: string, path: KeyPath): string {
  try {
    parseDuration(text)
    return text
  } catch (error) {
    throw new KeyFailure(path, `${path.join('.')}: ${messageOf(error)}`)
  }
}

function wrongKind(value: unknown, wanted: string, path: KeyPath): KeyFailure {
  return new KeyFailure(path, `toml: cannot decode TOML ${kindOf(value)} into ${path.join('.')} of type ${wanted}`)
}

function kindOf(value: unknown): string {
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return 'float'
  if (Array.isArray(value)) return 'array'
  if (value instanceof Date) return 'datetime'
  return typeof value === 'object' ? 'table' : typeof value
}
