import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateId } from './ids.ts'

test('ids are 64 hex digits, none twice, and no byte of one is another’s', () => {
  const ids = Array.from({ length: 5000 }, () => generateId())
  for (const id of ids) assert.match(id, /^(?!\d{12})[0-9a-f]{64}$/)
  const words = ids.flatMap((id) => id.match(/.{16}/g) ?? [])
  assert.equal(new Set(words).size, 4 * ids.length)
})

test('what would read as a number is drawn again', () => {
  const drawn = [Buffer.alloc(32, 0x11), Buffer.alloc(32, 0xab)]
  assert.equal(
    generateId(() => drawn.shift() ?? Buffer.alloc(0)),
    'ab'.repeat(32),
  )
})
