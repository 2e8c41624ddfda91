// The records as they are on disk, read without LMDB and without changing anything: the database's pages, and the journal over them.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readDatabase } from '../metadata/check-database.ts'
import type { Codec } from '../metadata/codec.ts'
import { type JournalReading, readJournals } from '../metadata/journal.ts'
import { type PageReading, readLmdbPages } from '../metadata/lmdb-pages.ts'

export interface Entry<Value> {
  /** `<bucket>:<namespace>/<name>` */
  key: string
  namespace: string
  name: string
  value: Value
}

export class Records {
  readonly pages: PageReading
  readonly journal: JournalReading
  /** By key. */
  readonly raw: Map<string, Uint8Array>
  /** Keys of records that are no message of their kind. */
  readonly unreadable = new Set<string>()

  constructor(pages: PageReading, journal: JournalReading) {
    this.pages = pages
    this.journal = journal
    this.raw = new Map(pages.records)
    for (const { key, value } of journal.records.flat())
      if (value === undefined) this.raw.delete(key)
      else this.raw.set(key, value)
  }

  list<Value>(bucket: string, codec: Codec<Value>): Entry<Value>[] {
    const entries: Entry<Value>[] = []
    for (const [key, bytes] of this.raw) {
      if (!key.startsWith(`${bucket}:`)) continue
      const path = key.slice(bucket.length + 1)
      const slash = path.indexOf('/')
      const namespace = slash < 0 ? path : path.slice(0, slash)
      try {
        entries.push({ key, namespace, name: path.slice(slash + 1), value: codec.decode(bytes) })
      } catch {
        this.unreadable.add(key)
      }
    }
    return entries
  }
}

export function loadRecords(root: string): Records {
  const pages = readLmdbPages(readDatabase(join(root, 'meta.db')))
  const through = pages.records.get('journal:through')
  const generation = through === undefined ? undefined : Number(Buffer.from(through).toString())
  return new Records(
    pages,
    existsSync(root) ? readJournals(root, generation) : { records: [], last: 0, held: 0, torn: [], stray: [] },
  )
}
