// A document as TOML: what `config default`, `dump` and `migrate` print.
import { stringify } from 'smol-toml'
import { isTable } from './check-document.ts'
import { type Document, FILE, PLUGINS, type Section } from './schema.ts'

/** The version first, as everybody is used to. What is formatted reads back as the same document. */
export function formatDocument(document: Document): string {
  const { version, ...rest } = document
  return stringify(numbersOf({ version, ...rest }, FILE))
}

/** Whole numbers of a fraction's kind get their point: read again, they are no integers. */
function numbersOf(values: Document, section: Section): Document {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, numberOf(key, value, section[key] ?? section['*'] ?? 'any')]),
  )
}

function numberOf(key: string, value: unknown, kind: Section[string] | undefined): unknown {
  if (typeof value === 'number' && kind === 'integer') return BigInt(value)
  if (!isTable(value)) return value
  return numbersOf(value, kind === 'any' ? (PLUGINS[key] ?? {}) : typeof kind === 'object' ? kind : {})
}
