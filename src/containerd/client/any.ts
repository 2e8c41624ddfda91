// google.protobuf.Any as containerd uses it: type URLs have no host part, and OCI's types travel as JSON.
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { Failure } from '../../base/failure.ts'

export const RUNTIME_SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec'
export const PROCESS_SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Process'
export const RESOURCES_SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/LinuxResources'

/** A message under its full name. */
export function packMessage<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): Any {
  return create(AnySchema, { typeUrl: schema.typeName, value: toBinary(schema, message) })
}

/** Undefined where `any` holds another type. The host part that other programs put before the name is ignored. */
export function unpackMessage<Schema extends DescMessage>(
  schema: Schema,
  any: Any | undefined,
): MessageShape<Schema> | undefined {
  if (any === undefined || any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1) !== schema.typeName) return undefined
  return fromBinary(schema, any.value)
}

/** A value as JSON under one of the type names above. */
export function packJson(typeUrl: string, value: object): Any {
  return create(AnySchema, { typeUrl, value: Buffer.from(JSON.stringify(value)) })
}

/** The parsed JSON; the caller checks its shape. Throws `invalid-argument` where the type is another or the JSON broken. */
export function unpackJson(typeUrl: string, any: Any | undefined): unknown {
  if (any?.typeUrl !== typeUrl)
    throw new Failure('invalid-argument', `expected ${typeUrl}, got ${any?.typeUrl ?? 'nothing'}: invalid argument`)
  try {
    return JSON.parse(Buffer.from(any.value).toString('utf8'))
  } catch (error) {
    throw new Failure('invalid-argument', `malformed ${typeUrl}: invalid argument`, { cause: error })
  }
}
