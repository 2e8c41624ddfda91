// A tar archive pushed in chunk by chunk; entries come out through a sink, synchronously, so that a thread whose root is a
// layer's directory can create files from it without ever leaving the call.
import { Failure } from '../../base/failure.ts'
import { BLOCK_SIZE, type ByteString, NO_XATTRS, type TarEntry, type TarEntryType } from './entry.ts'
import { parseHeader, type RawHeader } from './parse-header.ts'
import { type PaxRecords, parsePax, parsePaxNumber, parsePaxTime, XATTR_PREFIX } from './parse-pax.ts'

/** Calls come in the order entry, data…, end, for every entry; `data` never for an empty one. */
export interface TarSink {
  entry(entry: TarEntry): void
  /** A part of the content; valid only during the call. */
  data(bytes: Buffer): void
  end(): void
}

/** Bounds on what a hostile archive can make us hold or do. */
export interface TarLimits {
  entriesMax: number
  /** Of one pax header or one long name (Go's bound too). */
  metadataBytesMax: number
}

export const DEFAULT_TAR_LIMITS: TarLimits = { entriesMax: 20_000_000, metadataBytesMax: 1024 * 1024 }

/** Entries that say something about the next one. */
type MetadataUse = 'pax' | 'global' | 'name' | 'link'
const METADATA_USE: Partial<Record<string, MetadataUse>> = { x: 'pax', g: 'global', L: 'name', K: 'link' }

type Phase =
  | { kind: 'header' }
  | { kind: 'content'; remaining: number }
  | { kind: 'skip'; remaining: number }
  | { kind: 'metadata'; use: MetadataUse; remaining: number; parts: Buffer[] }
  | { kind: 'ended' }

/** Push all chunks, then call `finish`. Throws Failure('invalid-argument') on what is no tar archive, or whatever the sink throws. */
export class TarParser {
  readonly #sink: TarSink
  readonly #limits: TarLimits
  #phase: Phase = { kind: 'header' }
  /** Bytes after the current content up to the next header. */
  #padding = 0
  readonly #headerBuffer = Buffer.alloc(BLOCK_SIZE)
  #headerFill = 0
  #sawZeroBlock = false
  #entries = 0
  #pax: PaxRecords | undefined
  #longName: ByteString | undefined
  #longLink: ByteString | undefined

  constructor(sink: TarSink, limits: TarLimits = DEFAULT_TAR_LIMITS) {
    this.#sink = sink
    this.#limits = limits
  }

  /** True once the two zero blocks have been seen: what follows is ignored. */
  get ended(): boolean {
    return this.#phase.kind === 'ended'
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      const phase = this.#phase
      switch (phase.kind) {
        case 'header':
          at = this.#takeHeader(chunk, at)
          break
        case 'content': {
          const part = chunk.subarray(at, at + phase.remaining)
          at += part.length
          phase.remaining -= part.length
          this.#sink.data(part)
          if (phase.remaining === 0) {
            this.#sink.end()
            this.#skipPadding()
          }
          break
        }
        case 'metadata': {
          const part = chunk.subarray(at, at + phase.remaining)
          at += part.length
          phase.remaining -= part.length
          phase.parts.push(Buffer.from(part)) // the chunk is lent
          if (phase.remaining === 0) {
            this.#takeMetadata(phase.use, Buffer.concat(phase.parts))
            this.#skipPadding()
          }
          break
        }
        case 'skip': {
          const length = Math.min(phase.remaining, chunk.length - at)
          at += length
          phase.remaining -= length
          if (phase.remaining === 0) this.#phase = { kind: 'header' }
          break
        }
        case 'ended':
          return
      }
    }
  }

  /** An archive may stop without its two zero blocks, as long as it stops between two entries; the last one's padding is not missed. */
  finish(): void {
    const { kind } = this.#phase
    const clean = kind === 'ended' || kind === 'skip' || (kind === 'header' && this.#headerFill === 0)
    if (!clean || this.#pax || this.#longName !== undefined || this.#longLink !== undefined)
      throw new Failure('invalid-argument', 'unexpected EOF')
  }

  #takeHeader(chunk: Buffer, start: number): number {
    let block: Buffer
    let next: number
    if (this.#headerFill === 0 && chunk.length - start >= BLOCK_SIZE) {
      block = chunk.subarray(start, start + BLOCK_SIZE)
      next = start + BLOCK_SIZE
    } else {
      const copied = chunk.copy(this.#headerBuffer, this.#headerFill, start, start + BLOCK_SIZE - this.#headerFill)
      this.#headerFill += copied
      next = start + copied
      if (this.#headerFill < BLOCK_SIZE) return next
      this.#headerFill = 0
      block = this.#headerBuffer
    }
    const header = parseHeader(block)
    if (header) this.#startEntry(header)
    else if (this.#sawZeroBlock) this.#phase = { kind: 'ended' }
    if (header && this.#sawZeroBlock) throw new Failure('invalid-argument', 'archive/tar: invalid tar header')
    this.#sawZeroBlock = !header
    return next
  }

  #startEntry(header: RawHeader): void {
    if (++this.#entries > this.#limits.entriesMax)
      throw new Failure('resource-exhausted', `archive has more than ${this.#limits.entriesMax} entries`)
    const use = METADATA_USE[header.typeFlag]
    if (use) {
      this.#startMetadata(use, header.size)
      return
    }
    const entry = this.#compose(header)
    this.#sink.entry(entry)
    this.#padding = padding(entry.size)
    if (entry.size > 0) {
      this.#phase = { kind: 'content', remaining: entry.size }
    } else {
      this.#sink.end()
      this.#phase = { kind: 'header' }
    }
  }

  #startMetadata(use: MetadataUse, size: number): void {
    if (size < 0 || size > this.#limits.metadataBytesMax)
      throw new Failure('invalid-argument', `archive/tar: header field too long`)
    this.#padding = padding(size)
    if (size > 0) this.#phase = { kind: 'metadata', use, remaining: size, parts: [] }
    else this.#takeMetadata(use, Buffer.alloc(0))
  }

  #takeMetadata(use: MetadataUse, bytes: Buffer): void {
    // Global records are read by no layer tool: containerd and Docker pass over them, and so do we.
    if (use === 'pax') this.#pax = parsePax(bytes)
    else if (use === 'name') this.#longName = untilNul(bytes)
    else if (use === 'link') this.#longLink = untilNul(bytes)
  }

  #skipPadding(): void {
    this.#phase = this.#padding > 0 ? { kind: 'skip', remaining: this.#padding } : { kind: 'header' }
  }

  /** Lays long names and pax records over the header. */
  #compose(header: RawHeader): TarEntry {
    const pax = this.#pax
    const name = pax?.get('path') ?? this.#longName ?? header.name
    const type = entryType(header.typeFlag, name)
    const size = pax?.has('size') ? parsePaxNumber(pax.get('size')!) : header.size
    if (size < 0) throw new Failure('invalid-argument', 'archive/tar: invalid tar header')
    if (pax && [...pax.keys()].some((key) => key.startsWith('GNU.sparse.')))
      throw new Failure('unimplemented', `sparse file in archive: ${name}`)
    const entry: TarEntry = {
      name,
      type,
      linkName:
        type === 'hardlink' || type === 'symlink' ? (pax?.get('linkpath') ?? this.#longLink ?? header.linkName) : '',
      mode: header.mode & 0o7777,
      uid: id(pax?.get('uid'), header.uid),
      gid: id(pax?.get('gid'), header.gid),
      // Only files have content; a size on any other type is a leftover that every reader ignores.
      size: type === 'file' ? size : 0,
      mtime: pax?.has('mtime') ? parsePaxTime(pax.get('mtime')!) : { seconds: header.mtime, nanos: 0 },
      deviceMajor: header.deviceMajor,
      deviceMinor: header.deviceMinor,
      xattrs: pax ? xattrs(pax) : NO_XATTRS,
    }
    this.#pax = this.#longName = this.#longLink = undefined
    return entry
  }
}

const TYPES: Record<string, TarEntryType> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
}

function entryType(flag: string, name: ByteString): TarEntryType {
  const type = TYPES[flag]
  if (flag === 'S') throw new Failure('unimplemented', `sparse file in archive: ${name}`)
  if (!type) throw new Failure('invalid-argument', `unhandled tar header type ${flag.charCodeAt(0)}`)
  // Archives older than ustar mark a directory by a slash only.
  return type === 'file' && name.endsWith('/') ? 'directory' : type
}

function id(record: string | undefined, field: number): number {
  const value = record === undefined ? field : parsePaxNumber(record)
  // 2^32-1 means "leave it" to chown(2).
  if (value < 0 || value >= 0xffffffff) throw new Failure('invalid-argument', `invalid user or group id ${value}`)
  return value
}

function xattrs(pax: PaxRecords): ReadonlyMap<ByteString, Uint8Array> {
  let found: Map<ByteString, Uint8Array> | undefined
  for (const [key, value] of pax) {
    if (!key.startsWith(XATTR_PREFIX)) continue
    found ??= new Map()
    found.set(key.slice(XATTR_PREFIX.length), Buffer.from(value, 'latin1'))
  }
  return found ?? NO_XATTRS
}

function untilNul(bytes: Buffer): ByteString {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
}

function padding(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE
}
