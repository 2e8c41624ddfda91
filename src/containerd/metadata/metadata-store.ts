// The daemon's records. LMDB is the store; a journal in front of it keeps disk flushes off every request's path.
//
// A change is written to the journal (no fsync) and is visible at once. Up to a second later, or when somebody asks for durability, all changes
// since the last time go to LMDB in one transaction with LMDB's full durability, and their journal is dropped. So a crash of the process loses nothing; a power
// loss loses at most what was not yet flushed and never corrupts: LMDB's own relaxed modes (MDB_NOSYNC) would be as fast and give that up.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { Failure, messageOf } from '../../base/failure.ts'
import { expectRejections } from '../../base/stray-errors.ts'
import { syncDirectorySync } from '../../base/atomic-file.ts'
import { type Log, silentLog } from '../../base/log.ts'
import type { Slices } from '../../base/slices.ts'
import { checkDatabase } from './check-database.ts'
import { type Codec, jsonCodec } from './codec.ts'
import { type Change, Journal } from './journal.ts'
import { failpoint } from '../failpoints.ts'

/** One kind of record. Keys are ordered by their UTF-8 bytes. */
export interface Bucket<Value> {
  get(key: string): Value | undefined
  /** Of its own atomic, or part of the transaction under way. */
  put(key: string, value: Value): void
  /** False where there was nothing. */
  remove(key: string): boolean
  /** All whose keys start so. */
  removeAll(prefix: string): void
  list(prefix?: string): [key: string, value: Value][]
  /** A part of `list`, of about `limit` records, and where the next part begins; `after` undefined: the first part. */
  page(after: string | undefined, limit: number): { records: [key: string, value: Value][]; next: string | undefined }
  /** True when any key starts so. */
  has(prefix: string): boolean
}

const KEY_BYTES_MAX = 1024
const FLUSH_DELAY_MS = 1000
/** Read at once by a scan: a fraction of a slice. */
const SCAN_RECORDS = 64
/** Address space, not memory; LMDB grows it by itself. */
const MAP_BYTES = 16 << 20

/** In the database: the last generation of the journal that it holds. */
const THROUGH = 'journal:through'

interface Pending {
  readonly value: Uint8Array | undefined
}

/** `meta.db` and its journals in one directory. One process at a time: the caller holds a lock. */
export class MetadataStore {
  readonly #database: RootDatabase<Buffer, string>
  readonly #journal: Journal
  readonly #log: Log
  /** Told of every transaction that changed something. */
  onChange: () => void = () => {}
  /** Puts on the disk what the changes so far tell of, before the database has them. What it throws fails the flush. */
  beforeFlush: () => Promise<void> = async () => {}
  /** What LMDB does not hold yet. */
  readonly #pending = new Map<string, Pending>()
  #transaction: Map<string, Pending | undefined> | undefined
  #flushing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #observer: ((key: string) => void) | undefined
  #isOwed = false

  private constructor(directory: string, log: Log) {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    this.#log = log
    const path = join(directory, 'meta.db')
    checkDatabase(path)
    const isNew = !existsSync(path)
    surviveFailedCommits()
    this.#database = openDatabase(path)
    failpoint('metadata.opened')
    if (isNew) syncDirectorySync(directory) // or power loss could take the database with what it promised to keep
    this.#journal = Journal.open(directory, numberOf(this.#database.get(THROUGH)), (changes) => {
      for (const { key, value } of changes) this.#pending.set(key, { value })
    })
  }

  /** Opens or creates; brings in what a killed process left in its journal. @param settle may judge that before the database takes it in. */
  static async open(
    directory: string,
    log: Log = silentLog,
    settle: (store: MetadataStore) => Promise<void> = async () => {},
  ): Promise<MetadataStore> {
    const store = new MetadataStore(directory, log)
    failpoint('metadata.replayed')
    await settle(store)
    if (store.#pending.size > 0) await store.flush().catch((error: unknown) => store.#flushLater(error))
    else store.#journal.dropThrough(store.#journal.rotate())
    return store
  }

  /** Names are ours, never a client's. */
  bucket<Value>(name: string, codec: Codec<Value> = jsonCodec<Value>()): Bucket<Value> {
    return {
      get: (key) => {
        const bytes = this.#read(`${name}:${key}`)
        return bytes === undefined ? undefined : codec.decode(bytes)
      },
      put: (key, value) => {
        if (Buffer.byteLength(key) > KEY_BYTES_MAX)
          throw new Failure('invalid-argument', `name of more than ${KEY_BYTES_MAX} bytes: invalid argument`)
        this.#change(`${name}:${key}`, codec.encode(value))
      },
      remove: (key) => {
        const existed = this.#read(`${name}:${key}`) !== undefined
        if (existed) this.#change(`${name}:${key}`, undefined)
        return existed
      },
      removeAll: (prefix) => {
        this.transaction(() => {
          for (const [key] of this.#list(`${name}:${prefix}`)) this.#change(key, undefined)
        })
      },
      list: (prefix = '') =>
        this.#list(`${name}:${prefix}`).map(([key, bytes]) => [key.slice(name.length + 1), codec.decode(bytes)]),
      page: (after, limit) => {
        const { records, next } = this.#page(`${name}:`, after === undefined ? undefined : `${name}:${after}`, limit)
        return {
          records: records.map(([key, bytes]) => [key.slice(name.length + 1), codec.decode(bytes)]),
          next: next?.slice(name.length + 1),
        }
      },
      has: (prefix) => this.#list(`${name}:${prefix}`).length > 0,
    }
  }

  /** All changes that `work` makes, or none where it throws. Synchronous: nothing else runs in between. A transaction within one joins it. */
  transaction<Result>(work: () => Result): Result {
    if (this.#transaction !== undefined) return work()
    const before = new Map<string, Pending | undefined>()
    this.#transaction = before
    try {
      const result = work()
      if (before.size > 0) this.#journal.append([...before.keys()].map((key) => this.#changeOf(key)))
      this.#tellOfPuts(before.keys())
      if (before.size > 0) this.onChange()
      return result
    } catch (error) {
      for (const [key, earlier] of before)
        if (earlier === undefined) this.#pending.delete(key)
        else this.#pending.set(key, earlier)
      throw error
    } finally {
      this.#transaction = undefined
      if (this.#pending.size > 0) this.#scheduleFlush()
    }
  }

  /** Resolves when everything changed so far survives power loss. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => {})
    if (this.#pending.size === 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#flushing = this.#flushPending().finally(() => {
      this.#flushing = undefined
    })
    try {
      await this.#flushing
    } catch (error) {
      this.#scheduleFlush() // the disk may have room again later
      throw error
    }
  }

  /** Somebody was not made to wait for a flush, and is told by `settle` when it has been. */
  owe(): void {
    this.#isOwed = true
  }

  /** Resolves when all that is owed survives power loss. */
  async settle(): Promise<void> {
    if (this.#isOwed || this.#flushing !== undefined) await this.flush()
  }

  /** Of records in a bucket that the database holds nothing of yet. */
  newKeys(bucket: string): string[] {
    const prefix = `${bucket}:`
    return [...this.#pending].flatMap(([key, { value }]) =>
      value !== undefined && key.startsWith(prefix) && this.#database.get(key) === undefined
        ? [key.slice(prefix.length)]
        : [],
    )
  }

  /** Of records in a bucket that were made or changed, and that the database does not hold so yet. */
  changedKeys(bucket: string): string[] {
    const prefix = `${bucket}:`
    return [...this.#pending].flatMap(([key, { value }]) =>
      value !== undefined && key.startsWith(prefix) ? [key.slice(prefix.length)] : [],
    )
  }

  /** As the database has it, before anybody was told of another: for `settle` of open alone. */
  revert(bucket: string, key: string): void {
    this.#pending.delete(`${bucket}:${key}`)
  }

  /** `observe` hears of each record that is made or changed, as `<bucket>:<key>`, in the same turn; undefined ends it. There is one at a time. */
  setObserver(observe: ((key: string) => void) | undefined): void {
    this.#observer = observe
  }

  /** Flushes. The store must not be used afterwards. */
  async close(): Promise<void> {
    try {
      await this.flush()
    } finally {
      clearTimeout(this.#timer)
      this.#journal.close()
      await this.#database.close()
    }
  }

  #read(key: string): Uint8Array | undefined {
    const pending = this.#pending.get(key)
    return pending === undefined ? this.#database.get(key) : pending.value
  }

  #list(prefix: string): [string, Uint8Array][] {
    const found = new Map<string, Uint8Array>()
    for (const { key, value } of this.#database.getRange({ start: prefix, end: `${prefix}\u{10ffff}` }))
      found.set(key, value)
    let changed = false
    for (const [key, { value }] of this.#pending) {
      if (!key.startsWith(prefix)) continue
      changed = true
      if (value === undefined) found.delete(key)
      else found.set(key, value)
    }
    return changed ? [...found].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))) : [...found]
  }

  #page(
    prefix: string,
    after: string | undefined,
    limit: number,
  ): { records: [string, Uint8Array][]; next: string | undefined } {
    const start = after === undefined ? prefix : `${after}\0`
    const found = new Map<string, Uint8Array>()
    let last: string | undefined
    for (const { key, value } of this.#database.getRange({ start, end: `${prefix}\u{10ffff}`, limit })) {
      found.set(key, value)
      last = key
    }
    const next = found.size < limit ? undefined : last
    for (const [key, { value }] of this.#pending) {
      if (!key.startsWith(prefix) || (after !== undefined && key <= after) || (next !== undefined && key > next))
        continue
      if (value === undefined) found.delete(key)
      else found.set(key, value)
    }
    return { records: [...found], next }
  }

  #change(key: string, value: Uint8Array | undefined): void {
    this.transaction(() => {
      const before = this.#transaction!
      if (!before.has(key)) before.set(key, this.#pending.get(key))
      this.#pending.set(key, { value })
    })
  }

  #tellOfPuts(keys: Iterable<string>): void {
    if (this.#observer === undefined) return
    for (const key of keys) if (this.#pending.get(key)?.value !== undefined) this.#observer(key)
  }

  #changeOf(key: string): Change {
    return { key, value: this.#pending.get(key)?.value }
  }

  #scheduleFlush(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.flush().catch((error: unknown) => this.#flushLater(error))
    }, FLUSH_DELAY_MS).unref()
  }

  /** The journal still holds it all; the disk may have room again later. */
  #flushLater(error: unknown): void {
    this.#log.error('metadata could not be flushed', { error: messageOf(error) })
    this.#scheduleFlush()
  }

  async #flushPending(): Promise<void> {
    failpoint('metadata.flush')
    const generation = this.#journal.rotate()
    const changes = [...this.#pending]
    const wasOwed = this.#isOwed
    this.#isOwed = false
    try {
      await this.beforeFlush()
      // All of one turn are one transaction; were they not, the journal, which stays until all are on disk, would make up for it.
      await allOf(
        changes
          .map(([key, { value }]) =>
            value === undefined ? this.#database.remove(key) : this.#database.put(key, Buffer.from(value)),
          )
          .concat(this.#database.put(THROUGH, Buffer.from(String(generation)))),
      )
    } catch (error) {
      this.#isOwed ||= wasOwed
      throw new Failure('resource-exhausted', `write the metadata store: ${messageOf(error)}`, {
        cause: error,
      })
    }
    failpoint('metadata.committed')
    for (const [key, change] of changes) if (this.#pending.get(key) === change) this.#pending.delete(key)
    this.#journal.dropThrough(generation)
  }
}

function openDatabase(path: string): RootDatabase<Buffer, string> {
  return open<Buffer, string>({
    path,
    noSubdir: true,
    encoding: 'binary',
    mapSize: MAP_BYTES,
    maxReaders: 8,
    overlappingSync: false, // a commit is on disk when its promise resolves
    cache: false,
  })
}

/** A new database of these records, by `<bucket>:<key>`; it is on disk when this resolves. */
export async function writeDatabase(path: string, records: ReadonlyMap<string, Uint8Array>): Promise<void> {
  surviveFailedCommits()
  const database = openDatabase(path)
  try {
    await allOf([...records].map(([key, value]) => database.put(key, Buffer.from(value))))
  } finally {
    await database.close()
  }
}

/** Every record of a bucket whose keys begin with a namespace, a part at a time; others change it meanwhile. */
export async function* scanBucket<Value>(
  bucket: Bucket<Value>,
  slices: Slices,
): AsyncIterable<[namespace: string, value: Value]> {
  let after: string | undefined
  do {
    const { records, next } = bucket.page(after, SCAN_RECORDS)
    for (const [key, value] of records) yield [key.slice(0, key.indexOf('/')), value]
    after = next
    await slices.next()
  } while (after !== undefined)
}

function numberOf(bytes: Uint8Array | undefined): number | undefined {
  return bytes === undefined ? undefined : Number(Buffer.from(bytes).toString())
}

/** Waits for all of them, so that none rejects unseen. Throws what a failed commit hides: the reason hangs on the error as a promise. */
async function allOf(writes: readonly Promise<boolean>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find((result) => result.status === 'rejected')
  if (failed === undefined) return
  const error: unknown = failed.reason
  throw isCommitFailure(error) ? await error.commitError.catch((reason: unknown) => reason) : error
}

function isCommitFailure(error: unknown): error is Error & { commitError: Promise<never> } {
  return error instanceof Error && 'commitError' in error && error.commitError instanceof Promise
}

/**
 * The library makes one more promise of each commit and keeps it to itself: where the commit fails, on a full disk for one, that alone
 * would end the process. Whoever wrote is told by the promise of his own.
 */
const surviveFailedCommits = once(() => {
  expectRejections((reason) => {
    if (!isCommitFailure(reason)) return false
    reason.commitError.catch(() => {})
    return true
  })
})

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) work()
    isDone = true
  }
}
