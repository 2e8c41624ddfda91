import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int32, message, nested, text, uint64 } from '../../wire/protobuf/message.ts'
import { findParentDeath } from './clear-parent-death.ts'

const thread = message({ futex: uint64(1), signal: int32(8), name: text(13) })
const core = message({ machine: int32(1), info: text(2), thread: nested(5, thread) })

function image(body: Uint8Array, magic = 0x55053847): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt32LE(0x54564319, 0)
  header.writeUInt32LE(magic, 4)
  header.writeUInt32LE(body.length, 8)
  return Buffer.concat([header, body])
}

const body = (signal: number) =>
  core.encode({ machine: 1, info: 'registers', thread: { futex: 1n << 60n, signal, name: 'sh' } })

test('the signal is found where it is, and nowhere else', () => {
  const file = image(body(9))
  const at = findParentDeath(file) ?? 0
  assert.equal(file[at], 9)
  file[at] = 0
  assert.deepEqual(core.decode(file.subarray(12)).thread, { futex: 1n << 60n, signal: 0, name: 'sh' })
})

test('a process that asked for none, another file, and bytes that are none are left alone', () => {
  assert.equal(findParentDeath(image(body(0))), undefined)
  assert.equal(findParentDeath(image(body(9), 1)), undefined)
  assert.equal(findParentDeath(Buffer.alloc(3)), undefined)
  for (let length = 12; length < image(body(9)).length; length++) findParentDeath(image(body(9)).subarray(0, length))
})
