import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAttributes } from './attributes.ts'
import { errnoOf, type NetlinkMessage, type NetlinkRequest, splitMessages } from './message.ts'
import {
  addAddress,
  addDefaultRoute,
  createBridge,
  createVeth,
  decodeAddress,
  decodeLink,
  decodeRoute,
  deleteLink,
} from './route-messages.ts'

const sent = (request: NetlinkRequest): NetlinkMessage => {
  const [message, ...rest] = splitMessages(request.bytes)
  assert.ok(message && rest.length === 0)
  return message
}
const hex = (request: NetlinkRequest) => request.bytes.toString('hex')

// Laid out by hand after rtnetlink(7); that a kernel takes them is the integration test's business.
test('addDefaultRoute goes to the main table by gateway and link', () => {
  const flags = '0106' // request, create, exclusive
  assert.equal(
    hex(addDefaultRoute({ gateway: 0xac110001, index: 2 })),
    `2c0000001800${flags}000000000000000002000000fe0300010000000008000500ac1100010800040002000000`,
  )
})

test('addAddress sends local, address and broadcast', () => {
  assert.equal(
    hex(addAddress({ index: 2, address: 0xac110002, prefixLength: 16 })),
    '30000000140001060000000000000000' + '0210000002000000' + '08000200ac11000208000100ac11000208000400ac11ffff',
  )
})

test('deleteLink names the link by index or by name', () => {
  assert.equal(hex(deleteLink({ index: 5 })), '20000000110001000000000000000000' + '00000000050000000000000000000000')
  assert.match(hex(deleteLink({ name: 'veth0' })), /0a000300766574683000/)
})

test('createBridge is a link of kind bridge that is up', () => {
  const link = decodeLink(sent(createBridge({ name: 'berth0', mac: '02:42:e0:00:00:01', mtu: 1450 })))
  assert.deepEqual(link, {
    index: 0,
    name: 'berth0',
    kind: 'bridge',
    isUp: true,
    master: 0,
    mac: '02:42:e0:00:00:01',
    mtu: 1450,
  })
})

test('createVeth carries the far end with name, address and namespace', () => {
  const peer = { name: 'eth0', mac: '02:42:ac:11:00:02', netns: 7 }
  const message = sent(createVeth({ name: 'veth1234567', master: 3, mtu: 1500, peer }))
  const link = decodeLink(message)
  assert.equal(link.kind, 'veth')
  assert.equal(link.master, 3)
  const info = readAttributes(readAttributes(message.payload.subarray(16)).get(18) ?? Buffer.alloc(0))
  const far = readAttributes(info.get(2) ?? Buffer.alloc(0)).get(1) ?? Buffer.alloc(0)
  const attributes = readAttributes(far.subarray(16))
  assert.equal(attributes.get(3)?.toString(), 'eth0\0')
  assert.equal(attributes.get(1)?.toString('hex'), '0242ac110002')
  assert.equal(attributes.get(28)?.readUInt32LE(0), 7)
})

test('addresses and routes are read back', () => {
  const address = { index: 2, address: 0xac110002, prefixLength: 16 }
  assert.deepEqual(decodeAddress(sent(addAddress(address))), address)
  const route = decodeRoute(sent(addDefaultRoute({ gateway: 0xac110001, index: 2 })))
  assert.deepEqual(route, { destination: 0, prefixLength: 0, index: 2, table: 254 })
})

test('splitMessages refuses lengths that lead nowhere', () => {
  assert.throws(() => splitMessages(Buffer.alloc(16)), { code: 'internal' })
  assert.throws(() => splitMessages(Buffer.from('ff000000'.padEnd(32, '0'), 'hex')), { code: 'internal' })
})

test('errnoOf reads the kernel’s negative numbers', () => {
  const payload = Buffer.alloc(4)
  payload.writeInt32LE(-17)
  assert.equal(errnoOf({ type: 2, flags: 0, sequence: 1, payload }), 17)
})
