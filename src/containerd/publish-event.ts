// `publish`: what shims call that know no ttrpc, to tell of their container's events.
import { fromBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { Failure } from '../base/failure.ts'
import { connectContainerd } from './client/client.ts'

const CALL_MS = 10_000
const EVENT_BYTES_MAX = 4 << 20

/** @param input a google.protobuf.Any. Throws what the daemon answers. */
export async function publishEvent(
  input: AsyncIterable<Uint8Array>,
  {
    address,
    namespace = 'default',
    topic,
  }: { address: string; namespace?: string | undefined; topic: string | undefined },
): Promise<void> {
  if (topic === undefined || topic === '')
    throw new Failure('invalid-argument', 'topic required to publish event: invalid argument')
  if (namespace === '') throw new Failure('invalid-argument', 'namespace required to publish event')
  const event = await readEvent(input)
  const client = connectContainerd({ address, namespace })
  try {
    await client.events.publish({ topic, event }, { timeoutMs: CALL_MS })
  } finally {
    client.close()
  }
}

async function readEvent(input: AsyncIterable<Uint8Array>): Promise<Any> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of input) {
    chunks.push(chunk)
    size += chunk.length
    if (size > EVENT_BYTES_MAX)
      throw new Failure('invalid-argument', `the event is of more than ${EVENT_BYTES_MAX} bytes`)
  }
  try {
    return fromBinary(AnySchema, Buffer.concat(chunks))
  } catch (error) {
    throw new Failure('invalid-argument', 'standard input is no google.protobuf.Any', { cause: error })
  }
}
