// Protocol buffers by tables: `message({ id: text(1), pid: uint32(2) })` is a codec with its types. For programs that start often and run by the
// hundred: the full library's descriptors cost such a one 20 ms and 6 MB (docs/decisions/shim-messages.md). Proto3, and of it what we use.
import { ByteReader, ByteWriter, malformed, WIRE } from './bytes.ts'

/** One field: `Value` is what decoding gives, `Given` what encoding takes. */
export interface Field<Value, Given = Value> {
  readonly number: number
  empty(): Value
  /** Not written then. */
  isEmpty(value: Given): boolean
  /** With its tag. */
  write(writer: ByteWriter, value: Given): void
  /** The value after this occurrence of the field, whose tag has been read. */
  read(reader: ByteReader, wire: number, before: Value): Value
}

type Fields = Readonly<Record<string, Field<unknown, unknown>>>
type ValueOf<F extends Fields> = { [Name in keyof F]: F[Name] extends Field<infer Value, infer _> ? Value : never }
type GivenOf<F extends Fields> = {
  readonly [Name in keyof F]?: F[Name] extends Field<infer _, infer Given> ? Given | undefined : never
}

export interface Codec<Value, Given> {
  /** Throws `invalid-argument`. Fields that are not there have their type's nothing. */
  decode(bytes: Uint8Array): Value
  encode(value: Given): Uint8Array
}

/** What a codec's `decode` gives. */
export type Message<C> = C extends Codec<infer Value, infer _> ? Value : never
/** What a codec's `encode` takes. */
export type MessageInit<C> = C extends Codec<infer _, infer Given> ? Given : never

export function message<F extends Fields>(fields: F): Codec<ValueOf<F>, GivenOf<F>> {
  const names = new Map(Object.entries(fields).map(([name, field]) => [field.number, name]))
  return {
    decode(bytes) {
      const reader = new ByteReader(bytes)
      const values: Record<string, unknown> = {}
      for (const [name, field] of Object.entries(fields)) values[name] = field.empty()
      while (!reader.isAtEnd) {
        const { number, wire } = reader.tag()
        const name = names.get(number)
        const field = name === undefined ? undefined : fields[name]
        if (name === undefined || field === undefined) reader.skip(wire)
        else values[name] = field.read(reader, wire, values[name])
      }
      return values as ValueOf<F>
    },
    encode(value) {
      const writer = new ByteWriter()
      for (const [name, field] of Object.entries(fields)) {
        const given: unknown = value[name]
        if (given !== undefined && !field.isEmpty(given)) field.write(writer, given)
      }
      return writer.finish()
    },
  }
}

export const text = (number: number): Field<string> =>
  sized(
    number,
    '',
    (value) => value === '',
    Buffer.from,
    (bytes) => decodeUtf8(bytes),
  )

export const bytes = (number: number): Field<Uint8Array> =>
  sized<Uint8Array, Uint8Array>(
    number,
    new Uint8Array(0),
    (value) => value.length === 0,
    (value) => value,
    Buffer.from,
  )

/** Also for enumerations. */
export const int32 = (number: number): Field<number> =>
  varint(number, 0, BigInt, (value) => Number(BigInt.asIntN(32, value)))
export const uint32 = (number: number): Field<number> =>
  varint(number, 0, BigInt, (value) => Number(BigInt.asUintN(32, value)))
export const int64 = (number: number): Field<bigint> => varint(number, 0n, BigInt, (value) => BigInt.asIntN(64, value))
export const uint64 = (number: number): Field<bigint> => varint(number, 0n, BigInt, (value) => value)
export const bool = (number: number): Field<boolean> => varint(number, false, BigInt, (value) => value !== 0n)

export const double = (number: number): Field<number> => ({
  number,
  empty: () => 0,
  isEmpty: (value) => Object.is(value, 0),
  write: (writer, value) => void writer.tag(number, WIRE.fixed64).double(value),
  read(reader, wire) {
    expect(number, wire, WIRE.fixed64)
    return reader.double()
  },
})

/** Proto2: a field that says by its presence that it was given, also where its value is its type's nothing; undefined where it was not. */
export const optional = <Value, Given>(field: Field<Value, Given>): Field<Value | undefined, Given | undefined> => ({
  number: field.number,
  empty: () => undefined,
  isEmpty: (value) => value === undefined,
  write(writer, value) {
    if (value !== undefined) field.write(writer, value)
  },
  read: (reader, wire, before) => field.read(reader, wire, before ?? field.empty()),
})

/** A message within a message; undefined where there is none. */
export const nested = <Value, Given>(
  number: number,
  codec: Codec<Value, Given>,
): Field<Value | undefined, Given | undefined> =>
  sized<Value | undefined, Given | undefined>(
    number,
    undefined,
    (value) => value === undefined,
    (value) => (value === undefined ? new Uint8Array(0) : codec.encode(value)),
    (found) => codec.decode(found),
  )

/** Each of a list by itself, as strings, bytes and messages are written; numbers may come packed. */
export const repeated = <Value, Given>(field: Field<Value, Given>): Field<NonNullable<Value>[], readonly Given[]> => ({
  number: field.number,
  empty: () => [],
  isEmpty: (values) => values.length === 0,
  write(writer, values) {
    for (const value of values) field.write(writer, value)
  },
  read(reader, wire, before) {
    const value = field.read(reader, wire, field.empty())
    if (value !== undefined && value !== null) before.push(value)
    return before
  },
})

/** A list of 64-bit counters, written packed, read either way. */
export const packed = (number: number): Field<bigint[], readonly bigint[]> => ({
  number,
  empty: () => [],
  isEmpty: (values) => values.length === 0,
  write(writer, values) {
    const inner = new ByteWriter()
    for (const value of values) inner.varint(value)
    writer.tag(number, WIRE.bytes).sized(inner.finish())
  },
  read(reader, wire, before) {
    if (wire === WIRE.varint) return [...before, reader.varint()]
    expect(number, wire, WIRE.bytes)
    const inner = new ByteReader(reader.sized())
    while (!inner.isAtEnd) before.push(inner.varint())
    return before
  },
})

/** map<string, string>: a list of pairs on the wire, of which the last of each key counts. */
export const texts = (number: number): Field<Record<string, string>, Readonly<Record<string, string>>> => ({
  number,
  empty: () => Object.create(null) as Record<string, string>,
  isEmpty: (values) => Object.keys(values).length === 0,
  write(writer, values) {
    for (const [key, value] of Object.entries(values)) writer.tag(number, WIRE.bytes).sized(pair.encode({ key, value }))
  },
  read(reader, wire, before) {
    expect(number, wire, WIRE.bytes)
    const { key, value } = pair.decode(reader.sized())
    before[key] = value
    return before
  },
})

const pair = message({ key: text(1), value: text(2) })

function sized<Value, Given>(
  number: number,
  nothing: Value,
  isEmpty: (value: Given) => boolean,
  encode: (value: Given) => Uint8Array,
  decode: (found: Buffer) => Value,
): Field<Value, Given> {
  return {
    number,
    empty: () => nothing,
    isEmpty,
    write: (writer, value) => void writer.tag(number, WIRE.bytes).sized(encode(value)),
    read(reader, wire) {
      expect(number, wire, WIRE.bytes)
      return decode(reader.sized())
    },
  }
}

function varint<Value extends number | bigint | boolean>(
  number: number,
  nothing: Value,
  encode: (value: Value) => bigint,
  decode: (value: bigint) => Value,
): Field<Value> {
  return {
    number,
    empty: () => nothing,
    isEmpty: (value) => value === nothing,
    write: (writer, value) => void writer.tag(number, WIRE.varint).varint(encode(value)),
    read(reader, wire) {
      expect(number, wire, WIRE.varint)
      return decode(reader.varint())
    },
  }
}

function expect(number: number, wire: number, wanted: number): void {
  if (wire !== wanted) throw malformed(`field ${number} has wire type ${wire}`)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(found: Uint8Array): string {
  try {
    return utf8.decode(found)
  } catch {
    throw malformed('a text is not UTF-8')
  }
}
