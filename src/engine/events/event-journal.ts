// What has happened, on disk: `<data-root>/events/`, lines in segment files that are named after their first event. docs/decisions/events-journal.md.
import {
  closeSync,
  fdatasync,
  ftruncateSync,
  mkdirSync,
  openSync,
  promises,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { EventMessage } from '../../api/event-types.ts'
import { DRAFT_SUFFIX, readTextIfExists, replaceFileSync } from '../../base/atomic-file.ts'
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { encodeEvent, parseEvent } from './encode-event.ts'

export interface JournalOptions {
  directory: string
  log: Log
  /** Of the kernel: after another boot the last second may be missing. */
  bootId: string
  /** A segment that is longer is followed by another. */
  segmentBytesMax?: number
  /** With more than this the oldest segments go. */
  keptBytesMax?: number
}

const SEGMENT_BYTES_MAX = 1024 * 1024
const KEPT_BYTES_MAX = 8 * 1024 * 1024
const SYNC_AFTER_MS = 1000
/** More than can be written between two syncs. A number that a client may have seen is not given away twice. */
const SEQ_GAP_AFTER_BOOT = 1_000_000
const SEGMENT_NAME = /^(\d{16})\.events$/

interface Segment {
  readonly firstSeq: number
  readonly path: string
  sizeBytes: number
}

export class EventJournal {
  readonly #options: Required<JournalOptions>
  readonly #segments: Segment[]
  #descriptor: number | undefined
  #lastSeq = 0
  #lastNano = 0n
  #sync: NodeJS.Timeout | undefined
  #isFailing = false

  /** Cuts off what a crash has left of a line. Throws the system's error where the directory can't be used. */
  static open(options: JournalOptions): EventJournal {
    const { segmentBytesMax = SEGMENT_BYTES_MAX, keptBytesMax = KEPT_BYTES_MAX } = options
    mkdirSync(options.directory, { recursive: true, mode: 0o700 })
    return new EventJournal({ ...options, segmentBytesMax, keptBytesMax })
  }

  private constructor(options: Required<JournalOptions>) {
    this.#options = options
    this.#segments = listSegments(options.directory)
    this.#recover()
    const bootFile = join(options.directory, 'boot-id')
    const isSameBoot = readTextIfExists(bootFile) === options.bootId
    if (!isSameBoot && this.#segments.length > 0) this.#lastSeq += SEQ_GAP_AFTER_BOOT
    if (!isSameBoot) replaceFileSync(bootFile, options.bootId)
  }

  /** The number that the next event's must exceed. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Time of the last event on disk; 0 where there is none. */
  get lastNano(): bigint {
    return this.#lastNano
  }

  /** Of the oldest event that is kept; undefined where there is none. */
  get firstSeq(): number | undefined {
    return this.#segments[0]?.firstSeq
  }

  /** They are with the kernel when this returns, and on disk within a second. Never throws: what can't be written is told to the log. */
  append(events: readonly EventMessage[]): void {
    const [first] = events
    const last = events.at(-1)
    if (first === undefined || last === undefined) return
    const bytes = Buffer.from(events.map((event) => encodeLine(encodeEvent(event, false))).join(''))
    try {
      const segment = this.#segmentFor(first.seq, bytes.length)
      this.#write(segment, bytes)
      this.#isFailing = false
      this.#syncSoon()
    } catch (error) {
      if (!this.#isFailing) this.#options.log.error('events can not be kept', { error: messageOf(error) })
      this.#isFailing = true
    }
    this.#lastSeq = last.seq
    this.#lastNano = last.timeNano
  }

  /** Events with a greater number, oldest first: those of one segment as it is on disk now; none where nothing is behind it. A damaged line is passed over. */
  async readPage(after: number): Promise<readonly EventMessage[]> {
    for (let index = this.#indexOf(after); index < this.#segments.length; index = this.#indexOf(after, index + 1)) {
      const segment = this.#segments[index]
      const text = await promises.readFile(segment?.path ?? '', 'utf8').catch(() => '') // it was the oldest, and has gone
      const page = parseLines(text).filter((event) => event.seq > after)
      if (page.length > 0) return page
    }
    return []
  }

  /** Everything is on disk when this returns. */
  close(): void {
    clearTimeout(this.#sync)
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  /** Of the segment in which event `after` is, or would be; not below `least`. */
  #indexOf(after: number, least = 0): number {
    const next = this.#segments.findIndex(({ firstSeq }) => firstSeq > after + 1)
    return Math.max(next < 0 ? this.#segments.length - 1 : next - 1, least)
  }

  #recover(): void {
    const segment = this.#segments.at(-1)
    if (segment === undefined) return
    const bytes = readFileSync(segment.path)
    const { event, endBytes } = findLastWhole(bytes)
    this.#lastSeq = event?.seq ?? segment.firstSeq
    this.#lastNano = event?.timeNano ?? 0n
    this.#descriptor = openSync(segment.path, 'a', 0o600)
    if (endBytes < bytes.length) {
      ftruncateSync(this.#descriptor, endBytes)
      this.#options.log.warn('the end of the last event on disk was missing', { bytes: bytes.length - endBytes })
    }
    segment.sizeBytes = endBytes
  }

  #segmentFor(firstSeq: number, bytes: number): Segment {
    const current = this.#segments.at(-1)
    const isFull = current !== undefined && current.sizeBytes + bytes > this.#options.segmentBytesMax
    if (current !== undefined && this.#descriptor !== undefined && !(isFull && current.sizeBytes > 0)) return current
    const path = join(this.#options.directory, `${String(firstSeq).padStart(16, '0')}.events`)
    const descriptor = openSync(path, 'a', 0o600)
    const former = this.#descriptor
    this.#descriptor = descriptor
    if (former !== undefined) fdatasync(former, () => closeSync(former))
    const segment = { firstSeq, path, sizeBytes: 0 }
    this.#segments.push(segment)
    this.#dropOldest(bytes)
    return segment
  }

  #dropOldest(moreBytes: number): void {
    const size = () => this.#segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, moreBytes)
    while (this.#segments.length > 1 && size() > this.#options.keptBytesMax) {
      const oldest = this.#segments.shift()
      if (oldest !== undefined) rmSync(oldest.path, { force: true })
    }
  }

  /** All of it or nothing: half a line would make one with the next. */
  #write(segment: Segment, bytes: Buffer): void {
    const descriptor = this.#descriptor ?? openSync(segment.path, 'a', 0o600)
    this.#descriptor = descriptor
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(descriptor, bytes, written)
      segment.sizeBytes += bytes.length
    } catch (error) {
      if (written > 0) ftruncateSync(descriptor, segment.sizeBytes)
      throw error
    }
  }

  #syncSoon(): void {
    this.#sync ??= setTimeout(() => {
      this.#sync = undefined
      const descriptor = this.#descriptor
      if (descriptor === undefined) return
      fdatasync(descriptor, (error) => {
        if (error !== null && error.code !== 'EBADF')
          this.#options.log.error('syncing events failed', { error: messageOf(error) })
      })
    }, SYNC_AFTER_MS).unref()
  }
}

function listSegments(directory: string): Segment[] {
  return readdirSync(directory)
    .flatMap((name) => {
      const number = SEGMENT_NAME.exec(name)?.[1]
      const path = join(directory, name)
      if (name.endsWith(DRAFT_SUFFIX)) rmSync(path, { force: true })
      return number === undefined ? [] : [{ firstSeq: Number(number), path, sizeBytes: statSync(path).size }]
    })
    .sort((a, b) => a.firstSeq - b.firstSeq)
}

/** `checksum json\n`: a page of zeros or half a line has none that fits. */
function encodeLine(text: string): string {
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`
}

function parseLine(line: string): EventMessage | undefined {
  const text = line.slice(9)
  return line[8] === ' ' && Number.parseInt(line.slice(0, 8), 16) === crc32(text) ? parseEvent(text) : undefined
}

function parseLines(text: string): EventMessage[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .flatMap((line) => (line === '' ? [] : (parseLine(line) ?? [])))
}

/** The last line that is as it was written, and where it ends. */
function findLastWhole(bytes: Buffer): { event: EventMessage | undefined; endBytes: number } {
  for (let end = bytes.lastIndexOf(10); end >= 0; ) {
    const start = end === 0 ? 0 : bytes.lastIndexOf(10, end - 1) + 1
    const event = parseLine(bytes.toString('utf8', start, end))
    if (event !== undefined) return { event, endBytes: end + 1 }
    end = start - 1
  }
  return { event: undefined, endBytes: 0 }
}
