import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nested } from './attributes.ts'
import { decodeFlow, deleteFlow, encodeTuple } from './conntrack-messages.ts'

test('a flow is read, and named for its deletion by the kernel’s own bytes', () => {
  const original = {
    protocol: 17,
    source: 0x0a090002,
    destination: 0x0a090001,
    sourcePort: 40_000,
    destinationPort: 53,
  }
  const reply = { protocol: 17, source: 0xac110002, destination: 0x0a090002, sourcePort: 53, destinationPort: 40_000 }
  const tuples = [nested(1, encodeTuple(original)), nested(2, encodeTuple(reply))]
  const payload = Buffer.concat([Buffer.from([2, 0, 0, 0]), ...tuples])
  const flow = decodeFlow({ type: 0x100, flags: 0, sequence: 1, payload })
  assert.ok(flow)
  assert.deepEqual(flow.original, original)
  assert.deepEqual(flow.reply, reply)
  assert.equal(deleteFlow(flow).bytes.subarray(20).toString('hex'), tuples[0]?.toString('hex'))
})
