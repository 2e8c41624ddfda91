import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  attribute,
  be16,
  be32,
  listAttributes,
  nested,
  readAttributes,
  readText,
  text,
  u8,
  u16,
  u32,
} from './attributes.ts'

test('an attribute is length, type, payload and padding', () => {
  assert.equal(attribute(3, text('br0')).toString('hex'), '0800030062723000')
  assert.equal(attribute(3, text('veth0')).toString('hex'), '0a000300766574683000' + '0000')
  assert.equal(attribute(1, u8(1), u16(2)).toString('hex'), '0700010001020000')
})

test('numbers have the order their name says', () => {
  assert.equal(u32(0x01020304).toString('hex'), '04030201')
  assert.equal(be16(0x0102).toString('hex'), '0102')
  assert.equal(be32(-100).toString('hex'), 'ffffff9c')
})

test('nested attributes are marked, and read without the mark', () => {
  const outer = nested(18, attribute(1, text('veth')))
  assert.equal(outer.toString('hex'), '10001280' + '0900010076657468' + '00000000')
  const inner = readAttributes(readAttributes(outer).get(18) ?? Buffer.alloc(0)).get(1)
  assert.equal(readText(inner ?? Buffer.alloc(0)), 'veth')
})

test('listAttributes keeps order and repetitions', () => {
  const bytes = Buffer.concat([attribute(1, u8(1)), attribute(1, u8(2)), attribute(2, u8(3))])
  assert.deepEqual(
    listAttributes(bytes).map(({ type, value }) => [type, value[0]]),
    [
      [1, 1],
      [1, 2],
      [2, 3],
    ],
  )
})

test('a length beyond the end, or below a header, is an error and no endless loop', () => {
  assert.throws(() => listAttributes(Buffer.from('ff00010000000000', 'hex')), { code: 'internal' })
  assert.throws(() => listAttributes(Buffer.from('0000010000000000', 'hex')), { code: 'internal' })
})
