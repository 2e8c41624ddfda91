// Changes that the database has not taken in yet, as files that survive a crash of the process. Written without fsync: a change costs one write(2).
import { createHash } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import { failpoint } from '../failpoints.ts'

/** `value` undefined: the key was removed. */
export interface Change {
  key: string
  value: Uint8Array | undefined
}

const NAME = /^journal\.(\d{1,15})$/
/** Room kept back for removals: on a full disk they are what makes room. */
const RESERVE = 'reserve'
const RESERVE_BYTES = 256 * 1024
/** The first change of each file: after which generation it comes. */
const AFTER = 'journal:after'
const CHECKSUM_BYTES = 8
const HEADER_BYTES = 4 + CHECKSUM_BYTES
const REMOVED = 0xffffffff

/** One generation of changes per file, so that a generation is dropped as a whole once the database holds it. */
export class Journal {
  readonly #directory: string
  #generation: number
  #file: number
  #size = 0
  /** The last generation before this one that holds anything. */
  #after: number

  private constructor(directory: string, generation: number, after: number) {
    this.#directory = directory
    this.#generation = generation
    this.#after = after
    this.#file = openSync(join(directory, `journal.${generation}`), 'ax', 0o600)
  }

  /**
   * Hands every change that earlier processes left to `replay`, in order, and starts a new generation after theirs.
   * @param through what the database holds already: `readJournals`.
   */
  static open(directory: string, through: number | undefined, replay: (changes: Change[]) => void): Journal {
    const { records, last, held, torn, stray } = readJournals(directory, through)
    for (const record of records) replay(record)
    // So that what is written from now on counts: nothing before it is missing any more.
    for (const { name, wholeBytes } of torn) truncateSync(join(directory, name), wholeBytes)
    for (const name of stray) rmSync(join(directory, name), { force: true })
    return new Journal(directory, Math.max(last, through ?? 0) + 1, held)
  }

  /** All of the changes or, after a crash or an error, none. Throws `resource-exhausted` when the disk is full. */
  append(changes: readonly Change[]): void {
    const first: Change[] = this.#size === 0 ? [{ key: AFTER, value: Buffer.from(String(this.#after)) }] : []
    const record = Buffer.concat([...(first.length > 0 ? [encodeRecord(first)] : []), encodeRecord(changes)])
    failpoint('journal.append')
    try {
      this.#write(record)
    } catch (error) {
      const isRemoval = changes.every(({ value }) => value === undefined)
      if (!isRemoval || !this.#useReserve(record))
        throw new Failure('resource-exhausted', `write the metadata journal: ${messageOf(error)}`, { cause: error })
    }
    this.#size += record.length
    failpoint('journal.appended')
  }

  #write(record: Uint8Array): void {
    try {
      let at = 0
      while (at < record.length) at += writeSync(this.#file, record, at)
    } catch (error) {
      ftruncateSync(this.#file, this.#size) // half a record would hide those after it
      throw error
    }
  }

  #useReserve(record: Uint8Array): boolean {
    try {
      truncateSync(join(this.#directory, RESERVE), 0)
      this.#write(record)
      return true
    } catch {
      return false // it was used already: the first error is told
    }
  }

  /** Later changes go to a new generation. @returns the number of the last one closed, for `dropThrough`. */
  rotate(): number {
    const closed = this.#generation
    const file = openSync(join(this.#directory, `journal.${closed + 1}`), 'ax', 0o600)
    failpoint('journal.rotated')
    closeSync(this.#file)
    this.#file = file
    if (this.#size > 0) this.#after = closed
    this.#generation = closed + 1
    this.#size = 0
    return closed
  }

  /** The database holds everything up to this generation. */
  dropThrough(generation: number): void {
    for (const old of listGenerations(this.#directory))
      if (old <= generation) rmSync(join(this.#directory, `journal.${old}`), { force: true })
    failpoint('journal.dropped')
    fillReserve(this.#directory)
  }

  close(): void {
    const empty = fstatSync(this.#file).size === 0
    closeSync(this.#file)
    if (empty) rmSync(join(this.#directory, `journal.${this.#generation}`), { force: true })
  }
}

/** As far as there is room; the next time is soon enough. */
function fillReserve(directory: string): void {
  const path = join(directory, RESERVE)
  try {
    if (statSync(path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return
    writeFileSync(path, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 })
  } catch {
    // The disk is full now.
  }
}

function listGenerations(directory: string): number[] {
  return readdirSync(directory)
    .flatMap((name) => (NAME.exec(name) ? [Number(NAME.exec(name)![1])] : []))
    .sort((a, b) => a - b)
}

export interface JournalReading {
  /** The changes of each record that counts, in order. */
  records: Change[][]
  /** The newest generation that there is, whether it counts or not; 0 for none. */
  last: number
  /** The newest one whose changes count, or are in the database. */
  held: number
  /** Files with an end that is not whole. */
  torn: { name: string; wholeBytes: number }[]
  /** Files that do not count, because something before them is missing. */
  stray: string[]
}

/**
 * What the database does not hold yet. Nothing of what comes after a record that is not whole, or after a generation that is missing: power loss
 * may have taken what was written earlier and kept what was written later, and of neither anybody was told that it is durable.
 * @param through the last generation that the database holds; undefined where nobody knows, and then the first one there is counts.
 */
export function readJournals(directory: string, through: number | undefined): JournalReading {
  const reading: JournalReading = { records: [], last: 0, held: 0, torn: [], stray: [] }
  let held = through
  for (const generation of listGenerations(directory)) {
    reading.last = generation
    if (generation <= (through ?? 0)) continue
    const name = `journal.${generation}`
    const { records, isWhole, wholeBytes } = readRecords(join(directory, name))
    const after = afterOf(records)
    if (reading.torn.length > 0 || (after !== undefined && held !== undefined && after > held)) {
      reading.stray.push(name)
      continue
    }
    reading.records.push(...records.filter((changes) => changes[0]?.key !== AFTER))
    if (!isWhole) reading.torn.push({ name, wholeBytes })
    held = records.length > 0 ? generation : held
  }
  return { ...reading, held: held ?? 0 }
}

/** Files of an older version do not say; they count. */
function afterOf(records: readonly Change[][]): number | undefined {
  const [change] = records[0] ?? []
  return change?.key === AFTER && change.value !== undefined ? Number(Buffer.from(change.value).toString()) : undefined
}

/** Up to the first record that is not whole. */
function readRecords(path: string): { records: Change[][]; isWhole: boolean; wholeBytes: number } {
  const bytes = readFileSync(path)
  const records: Change[][] = []
  let at = 0
  while (bytes.length - at >= HEADER_BYTES) {
    const length = bytes.readUInt32BE(at)
    const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
    const checksum = bytes.subarray(at + 4, at + HEADER_BYTES)
    if (body.length < length || length === 0 || !checksumOf(body).equals(checksum)) break
    records.push(decodeBody(body))
    at += HEADER_BYTES + length
  }
  return { records, isWhole: at === bytes.length, wholeBytes: at }
}

function encodeRecord(changes: readonly Change[]): Buffer {
  const parts: Uint8Array[] = []
  for (const { key, value } of changes) {
    const keyBytes = Buffer.from(key)
    const lengths = Buffer.allocUnsafe(8)
    lengths.writeUInt32BE(keyBytes.length, 0)
    lengths.writeUInt32BE(value === undefined ? REMOVED : value.length, 4)
    parts.push(lengths, keyBytes)
    if (value !== undefined) parts.push(value)
  }
  const body = Buffer.concat(parts)
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header.writeUInt32BE(body.length, 0)
  checksumOf(body).copy(header, 4)
  return Buffer.concat([header, body])
}

function decodeBody(body: Buffer): Change[] {
  const changes: Change[] = []
  let at = 0
  while (at < body.length) {
    const keyLength = body.readUInt32BE(at)
    const valueLength = body.readUInt32BE(at + 4)
    const key = body.toString('utf8', at + 8, at + 8 + keyLength)
    at += 8 + keyLength
    if (valueLength === REMOVED) {
      changes.push({ key, value: undefined })
    } else {
      changes.push({ key, value: Uint8Array.prototype.slice.call(body, at, at + valueLength) })
      at += valueLength
    }
  }
  return changes
}

function checksumOf(body: Uint8Array): Buffer {
  return createHash('sha1').update(body).digest().subarray(0, CHECKSUM_BYTES)
}
