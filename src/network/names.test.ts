import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bridgeMac, bridgeName, tableName } from './names.ts'

test('names derive from the instance and fit the kernel', () => {
  assert.equal(bridgeName('default'), 'berth0')
  assert.match(bridgeName('x'), /^br-[\da-f]{8}$/)
  assert.notEqual(bridgeName('x'), bridgeName('y'))
  assert.equal(tableName('default'), 'berth')
  assert.equal(tableName('x'), 'berth-x')
  assert.match(tableName('/var/lib/ü'), /^berth-[\da-f]{16}$/)
})

test('a bridge’s hardware address is never one of a container', () => {
  for (let i = 0; i < 100; i++) assert.match(bridgeMac(`b${i}`), /^02:42:[ef][\da-f](:[\da-f]{2}){3}$/)
})
