// Records of Docker's local driver: u32 big-endian length, protobuf LogEntry, the length again (moby, daemon/logger/internal/logdriver/entry.proto).
import { message, text } from '../../wire/protobuf/message.ts'

export interface LocalEntry {
  /** Without a newline; it refers to the bytes that were decoded. */
  line: Buffer
  isStderr: boolean
  /** Nanoseconds since the epoch. */
  timeNs: bigint
  /** A piece of a long line. */
  partial: { id: string; ordinal: number; isLast: boolean } | undefined
  attributes: Record<string, string>
}

/** Of a record, without its lengths. Docker refuses larger ones as damage. */
export const RECORD_BYTES_MAX = 1_000_000
export const LENGTH_BYTES = 4

const TAG = { source: 0x0a, time: 0x10, line: 0x1a, partial: 0x20, metadata: 0x2a, attribute: 0x32 }
const METADATA_TAG = { last: 0x08, id: 0x12, ordinal: 0x18 }
const ATTRIBUTE = message({ key: text(1), value: text(2) })
const STDERR = Buffer.from('stderr')
const VARINT_BYTES_MAX = 10

/** Fields of the attributes as they stand in every record. */
export function encodeLocalAttributes(attributes: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(attributes).flatMap(([key, value]) => {
      const encoded = ATTRIBUTE.encode({ key, value })
      return [Buffer.from([TAG.attribute]), varint(encoded.length), encoded]
    }),
  )
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
    if (rest <= 0x7f) return Buffer.from(bytes)
  }
}

/** The record `bytes[start, end)`, without its lengths; undefined for what is none. */
export function decodeLocalEntry(bytes: Buffer, start: number, end: number): LocalEntry | undefined {
  const entry: LocalEntry = {
    line: Buffer.alloc(0),
    isStderr: false,
    timeNs: 0n,
    partial: undefined,
    attributes: {},
  }
  const fields = new FieldReader(bytes, start, end)
  let isPartial = false
  while (fields.next()) {
    if (fields.tag === TAG.source) entry.isStderr = fields.bytes().equals(STDERR)
    else if (fields.tag === TAG.time) entry.timeNs = fields.big()
    else if (fields.tag === TAG.line) entry.line = fields.bytes()
    else if (fields.tag === TAG.partial) isPartial = fields.value !== 0
    else if (fields.tag === TAG.metadata) entry.partial = decodeMetadata(fields.bytes())
    else if (fields.tag === TAG.attribute) addAttribute(entry.attributes, fields.bytes())
  }
  if (!isPartial) entry.partial = undefined
  else entry.partial ??= { id: '', ordinal: 0, isLast: false }
  return fields.isDamaged ? undefined : entry
}

function decodeMetadata(bytes: Buffer): NonNullable<LocalEntry['partial']> {
  const metadata = { id: '', ordinal: 0, isLast: false }
  const fields = new FieldReader(bytes, 0, bytes.length)
  while (fields.next()) {
    if (fields.tag === METADATA_TAG.last) metadata.isLast = fields.value !== 0
    else if (fields.tag === METADATA_TAG.id) metadata.id = fields.bytes().toString()
    else if (fields.tag === METADATA_TAG.ordinal) metadata.ordinal = fields.value
  }
  return metadata
}

function addAttribute(attributes: Record<string, string>, bytes: Buffer): void {
  try {
    const { key, value } = ATTRIBUTE.decode(bytes)
    attributes[key] = value
  } catch {
    // a damaged attribute costs only itself
  }
}

/** Passes over a message's fields. Numbers beyond 2^53 lose digits in `value`, not in `big`. */
class FieldReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  #valueStart = 0
  tag = 0
  /** The number, or the length of the bytes. */
  value = 0
  isDamaged = false

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  next(): boolean {
    if (this.#at >= this.#end) return false
    this.tag = this.#varint()
    const wire = this.tag & 7
    if (wire === 1 || wire === 5) this.#at += wire === 1 ? 8 : 4
    else {
      this.#valueStart = this.#at
      this.value = this.#varint()
      if (wire === 2) {
        this.#valueStart = this.#at
        this.#at += this.value
      } else if (wire !== 0) this.isDamaged = true
    }
    if (this.#at > this.#end) this.isDamaged = true
    return !this.isDamaged
  }

  bytes(): Buffer {
    return this.#bytes.subarray(this.#valueStart, this.#at)
  }

  big(): bigint {
    let value = 0n
    for (let at = this.#at - 1; at >= this.#valueStart; at--) value = (value << 7n) | BigInt(this.#bytes[at]! & 0x7f)
    return BigInt.asIntN(64, value)
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < VARINT_BYTES_MAX && this.#at < this.#end; count++, scale *= 128) {
      const byte = this.#bytes[this.#at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    this.isDamaged = true
    return 0
  }
}
