// A D-Bus message: header, body, and where in a stream one ends (D-Bus Specification, "Message Protocol").
import { Failure } from '../../../base/failure.ts'
import { DbusReader, type DbusValue, DbusWriter, isVariant, splitSignature } from './dbus-values.ts'

export const METHOD_CALL = 1
export const METHOD_RETURN = 2
export const ERROR = 3
export const SIGNAL = 4

const FIELDS = {
  path: [1, 'o'],
  interface: [2, 's'],
  member: [3, 's'],
  errorName: [4, 's'],
  replySerial: [5, 'u'],
  destination: [6, 's'],
  sender: [7, 's'],
  signature: [8, 'g'],
} as const
const FIXED_BYTES = 16
/** The specification's bound is 128 MiB; nothing that we ask for is a thousandth of that. */
const MESSAGE_BYTES_MAX = 4 << 20
const LITTLE = 'l'.charCodeAt(0)
const BIG = 'B'.charCodeAt(0)

export interface DbusMessage {
  type: number
  serial: number
  path?: string
  interface?: string
  member?: string
  errorName?: string
  replySerial?: number
  destination?: string
  sender?: string
  signature?: string
  body: readonly DbusValue[]
}

export function encodeMessage(message: DbusMessage): Buffer {
  const body = new DbusWriter()
  for (const [index, type] of splitSignature(message.signature ?? '').entries())
    body.write(type, message.body[index] ?? '')
  const fields = Object.entries(FIELDS).flatMap(([name, [code, signature]]) => {
    const value = message[name as keyof typeof FIELDS]
    return value === undefined ? [] : [[code, { signature, value }] as const]
  })
  const writer = new DbusWriter()
  for (const value of [LITTLE, message.type, 0, 1]) writer.write('y', value) // no flags, protocol version 1
  writer.write('u', body.length)
  writer.write('u', message.serial)
  writer.write('a(yv)', fields)
  writer.align(8)
  writer.append(body.bytes())
  return writer.bytes()
}

/** The first message's length; undefined where too little has come to tell. */
export function messageLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < FIXED_BYTES) return undefined
  const isLittle = endianOf(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const header = FIXED_BYTES + view.getUint32(12, isLittle)
  const length = header + ((8 - (header % 8)) % 8) + view.getUint32(4, isLittle)
  if (length > MESSAGE_BYTES_MAX) throw new Failure('data-loss', `D-Bus: a message of ${length} bytes`)
  return length
}

/** @param bytes exactly one message */
export function decodeMessage(bytes: Uint8Array): DbusMessage {
  const isLittle = endianOf(bytes)
  const reader = new DbusReader(bytes, isLittle, 8)
  const message: DbusMessage = { type: bytes[1] ?? 0, serial: Number(reader.read('u')), body: [] }
  const fields = reader.read('a(yv)')
  for (const field of Array.isArray(fields) ? fields : []) Object.assign(message, namedField(field))
  reader.align(8)
  const body = splitSignature(message.signature ?? '').map((type) => reader.read(type))
  return { ...message, body }
}

function namedField(field: DbusValue): Partial<DbusMessage> {
  const [code, variant] = Array.isArray(field) ? field : []
  const known = Object.entries(FIELDS).find(([, [number]]) => number === code)
  if (known === undefined || variant === undefined || !isVariant(variant)) return {} // of a later specification
  const [name, [, signature]] = known
  if (variant.signature !== signature) throw new Failure('data-loss', `D-Bus: header field ${name} is no ${signature}`)
  return { [name]: variant.value }
}

function endianOf(bytes: Uint8Array): boolean {
  if (bytes[0] !== LITTLE && bytes[0] !== BIG) throw new Failure('data-loss', 'D-Bus: this is no message')
  return bytes[0] === LITTLE
}
