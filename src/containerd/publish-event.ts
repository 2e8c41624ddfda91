// `berth-containerd --address SOCKET publish --topic TOPIC --namespace NAMESPACE`, the event as an Any on standard input: for shims that do not speak ttrpc to us.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { create } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { messageOf } from '../base/failure.ts'
import { Any } from '../wire/shim-v2/messages.ts'
import { connectContainerd } from './client/client.ts'

const PATIENCE_MS = 5_000

/** @returns the exit code. */
export async function publishEvent(argv: readonly string[]): Promise<number> {
  try {
    const options = {
      address: { type: 'string', short: 'a' },
      topic: { type: 'string' },
      namespace: { type: 'string' },
    } as const
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: true })
    const { address = '', topic = '', namespace = '' } = values
    if (topic === '') throw new Error('topic required to publish event')
    if (namespace === '') throw new Error('namespace required to publish event')
    const { typeUrl, value } = Any.decode(readFileSync(0))
    const client = connectContainerd({ address, namespace, patienceMs: PATIENCE_MS })
    try {
      await client.events.publish({ topic, event: create(AnySchema, { typeUrl, value }) }, { timeoutMs: PATIENCE_MS })
    } finally {
      client.close()
    }
    return 0
  } catch (error) {
    process.stderr.write(`berth-containerd: ${messageOf(error)}\n`)
    return 1
  }
}
