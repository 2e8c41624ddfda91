import assert from 'node:assert/strict'
import { test } from 'node:test'
import { socketsOf } from './dbus-connection.ts'
import { type DbusMessage, decodeMessage, encodeMessage, messageLength } from './dbus-message.ts'
import { DbusReader, type DbusValue, DbusWriter, splitSignature } from './dbus-values.ts'

const written = (type: string, value: DbusValue) => {
  const writer = new DbusWriter()
  writer.write(type, value)
  return writer.bytes().toString('hex')
}

test('values lie as the specification says: aligned, lengths first', () => {
  const cases: [string, DbusValue, string][] = [
    ['y', 255, 'ff'],
    ['b', true, '01000000'],
    ['n', -2, 'feff'],
    ['u', 1, '01000000'],
    ['x', -1n, 'ffffffffffffffff'],
    ['t', 2n ** 64n - 1n, 'ffffffffffffffff'],
    ['d', 1, '000000000000f03f'],
    ['s', 'foo', '03000000666f6f00'],
    ['g', 'a{sv}', '05617b73767d00'],
    ['as', ['a', 'bc'], '0f000000010000006100000002000000626300'],
    ['ax', [], '0000000000000000'],
    ['(yu)', [1, 2], '0100000002000000'],
    ['v', { signature: 'u', value: 5 }, '0175000005000000'],
    ['ay', Uint8Array.of(1, 2), '020000000102'],
  ]
  for (const [type, value, hex] of cases) assert.equal(written(type, value), hex, type)
})

test('what is written is read again, in either byte order for what others write', () => {
  const type = '(a(sv)a{sd}xas)'
  const value: DbusValue = [
    [
      ['Name', { signature: 'a(ss)', value: [['a', 'b']] }],
      ['Bits', { signature: 'ay', value: [1, 2, 3] }],
    ],
    [['pi', 3.5]],
    -5n,
    ['', 'ü'],
  ]
  const writer = new DbusWriter()
  writer.write(type, value)
  assert.deepEqual(new DbusReader(writer.bytes(), true).read(type), value)
  assert.equal(new DbusReader(Uint8Array.of(0, 0, 0, 7), false).read('u'), 7)
})

test('a value that is none of its type is refused', () => {
  const cases: [string, DbusValue][] = [
    ['u', 'x'],
    ['t', 5],
    ['s', 'a\0b'],
    ['b', 1],
    ['as', 'x'],
    ['(ss)', ['one']],
    ['v', 5],
    ['v', { signature: 'uu', value: 5 }],
  ]
  for (const [type, value] of cases) assert.throws(() => written(type, value), { code: 'invalid-argument' }, type)
  assert.deepEqual(splitSignature('a(sa(sv))uaay'), ['a(sa(sv))', 'u', 'aay'])
  for (const signature of ['(', 'a', '(u', 'z', 'a'.repeat(40), ')'])
    assert.throws(() => splitSignature(signature), { code: 'data-loss' }, signature)
})

const CALL: DbusMessage = {
  type: 1,
  serial: 7,
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
  member: 'SetUnitProperties',
  destination: 'org.freedesktop.systemd1',
  signature: 'sba(sv)',
  body: ['x.scope', true, [['TasksMax', { signature: 't', value: 9n }]]],
}

test('a message is what it was, whatever its size', () => {
  const bytes = encodeMessage(CALL)
  assert.equal(messageLength(bytes), bytes.length)
  assert.deepEqual(decodeMessage(bytes), CALL)
  for (let length = 0; length < 600; length += 1) {
    const message = { ...CALL, signature: 's', body: ['x'.repeat(length)] }
    assert.deepEqual(decodeMessage(encodeMessage(message)), message)
  }
})

test('half a message is waited for, and what is none is refused', () => {
  const bytes = encodeMessage(CALL)
  for (let length = 0; length < 16; length++) assert.equal(messageLength(bytes.subarray(0, length)), undefined)
  const refused = { code: 'data-loss' }
  assert.throws(() => messageLength(Buffer.alloc(16)), refused)
  assert.throws(() => messageLength(Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(12, 0xff)])), refused)
  for (let length = 16; length < bytes.length; length++)
    assert.throws(() => decodeMessage(bytes.subarray(0, length)), refused, `${length} bytes`)
})

test('broken messages are failures and nothing else', () => {
  const bytes = encodeMessage(CALL)
  let seed = 12345
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    return seed % below
  }
  for (let round = 0; round < 5000; round++) {
    const broken = Buffer.from(bytes)
    for (let changes = 1 + random(4); changes > 0; changes--) broken[random(broken.length)] = random(256)
    try {
      messageLength(broken)
      decodeMessage(broken)
    } catch (error) {
      assert.ok(error instanceof Error && error.name === 'Failure', String(error))
    }
  }
})

test('addresses of buses', () => {
  assert.deepEqual(socketsOf('unix:path=/run/a:b,guid=1;tcp:host=x;unix:abstract=y;unix:path=/x%2cy'), [
    '/run/a:b',
    '\0y',
    '/x,y',
  ])
  assert.deepEqual(socketsOf('nonsense'), [])
})
