import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeHookReport } from './hook-report.ts'

test('a report is the status, the length of the output, the output, the errors', () => {
  const bytes = Buffer.from('0001000003000000', 'hex')
  assert.deepEqual(decodeHookReport(Buffer.concat([bytes, Buffer.from('outerr')])), {
    status: 256,
    stdout: 'out',
    stderr: 'err',
  })
  assert.equal(decodeHookReport(Buffer.alloc(0)), undefined)
  assert.throws(() => decodeHookReport(Buffer.concat([bytes, Buffer.from('ou')])), RangeError)
  assert.throws(() => decodeHookReport(bytes.subarray(0, 7)), RangeError)
})
