// How records become bytes.
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'

export interface Codec<Value> {
  encode(value: Value): Uint8Array
  decode(bytes: Uint8Array): Value
}

/** Records that are published messages: fields that a newer version wrote survive an older one. */
export function messageCodec<Schema extends DescMessage>(schema: Schema): Codec<MessageShape<Schema>> {
  return {
    encode: (message) => toBinary(schema, message),
    // A copy: bytes fields of the message would otherwise be views of the database's map.
    decode: (bytes) => fromBinary(schema, Uint8Array.prototype.slice.call(bytes)),
  }
}

/** Records of our own. */
export function jsonCodec<Value>(): Codec<Value> {
  return {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as Value,
  }
}
