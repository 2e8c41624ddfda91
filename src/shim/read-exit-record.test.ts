import assert from 'node:assert/strict'
import test from 'node:test'
import { parseExitRecord, readExitRecord } from './read-exit-record.ts'

test('a record gives code and time to the nanosecond', () => {
  const exit = { code: 137, exitedAtNs: 1_700_000_000_000_000_001n }
  assert.deepEqual(parseExitRecord('137 9 1700000000.000000001\n'), exit)
})

test('anything but a whole record is none', () => {
  for (const text of [
    '',
    '0 0 1.000000000',
    '0 0 1.0\n',
    'x 0 1.000000000\n',
    '0 0 1.000000000\n\n',
    '-1 0 1.000000000\n',
  ])
    assert.equal(parseExitRecord(text), undefined, JSON.stringify(text))
})

test('no record is undefined', async () => {
  assert.equal(await readExitRecord('/nowhere', 'init'), undefined)
})
