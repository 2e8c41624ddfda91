// MessagePack as far as fluentd's forward protocol needs it (github.com/msgpack/msgpack/blob/master/spec.md).
import { invalid } from '../go-values.ts'

/** A tag, a time, a record of texts and options: one message of the forward protocol. */
export function packEvent(
  tag: string,
  time: Buffer,
  record: Readonly<Record<string, string>>,
  options: Readonly<Record<string, string>>,
): Buffer {
  return Buffer.concat([Buffer.from([0x94]), packText(tag), time, packTexts(record), packTexts(options)])
}

/** Whole seconds, as a signed number. */
export function packSeconds(seconds: number): Buffer {
  const isSmall = seconds < 2 ** 31
  const packed = Buffer.alloc(isSmall ? 5 : 9)
  packed[0] = isSmall ? 0xd2 : 0xd3
  if (isSmall) packed.writeInt32BE(seconds, 1)
  else packed.writeBigInt64BE(BigInt(seconds), 1)
  return packed
}

const NS_PER_SECOND = 1_000_000_000n

/** EventTime: extension 0 of eight bytes. */
export function packEventTime(timeNs: bigint): Buffer {
  const packed = Buffer.from([0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  const nanoseconds = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND // also of a time before 1970
  packed.writeUInt32BE(Number(BigInt.asUintN(32, (timeNs - nanoseconds) / NS_PER_SECOND)), 2)
  packed.writeUInt32BE(Number(nanoseconds), 6)
  return packed
}

export function packText(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([
    sizeOf(bytes.length, { fixed: 0xa0, fixedMax: 31, byte: 0xd9, short: 0xda, long: 0xdb }),
    bytes,
  ])
}

function packTexts(texts: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(texts)
  const head = sizeOf(entries.length, { fixed: 0x80, fixedMax: 15, byte: undefined, short: 0xde, long: 0xdf })
  return Buffer.concat([head, ...entries.flatMap(([key, value]) => [packText(key), packText(value)])])
}

interface SizeCodes {
  fixed: number
  fixedMax: number
  byte: number | undefined
  short: number
  long: number
}

function sizeOf(size: number, codes: SizeCodes): Buffer {
  if (size <= codes.fixedMax) return Buffer.from([codes.fixed | size])
  if (size <= 0xff && codes.byte !== undefined) return Buffer.from([codes.byte, size])
  const packed = Buffer.alloc(size <= 0xffff ? 3 : 5)
  packed[0] = size <= 0xffff ? codes.short : codes.long
  if (size <= 0xffff) packed.writeUInt16BE(size, 1)
  else packed.writeUInt32BE(size, 1)
  return packed
}

const ACK_TEXT_MAX = 256

/**
 * Reads one `{"ack": text}` from the start of the bytes. Undefined: there is more to come. Throws invalid-argument for anything else: what says
 * something else is no fluentd.
 */
export function unpackAck(bytes: Buffer): { ack: string; size: number } | undefined {
  if (bytes.length === 0) return undefined
  if (bytes[0] !== 0x81) throw invalid('fluentd: the answer is no acknowledgement')
  const key = unpackText(bytes, 1)
  if (key !== undefined && key.text !== 'ack') throw invalid('fluentd: the answer is no acknowledgement')
  const value = key && unpackText(bytes, key.end)
  if (value === undefined) return undefined
  return { ack: value.text, size: value.end }
}

function unpackText(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  const code = bytes[at]
  if (code === undefined) return undefined
  const isFixed = (code & 0xe0) === 0xa0
  if (!isFixed && code !== 0xd9) throw invalid('fluentd: the answer is no acknowledgement')
  const size = isFixed ? code & 31 : bytes[at + 1]
  const start = at + (isFixed ? 1 : 2)
  if (size === undefined || bytes.length < start + size) return undefined
  if (size > ACK_TEXT_MAX) throw invalid('fluentd: the answer is no acknowledgement')
  return { text: bytes.toString('utf8', start, start + size), end: start + size }
}
