import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRNO, KernelError } from './kernel-error.ts'
import { openRecordingKernel } from './recording-kernel.ts'

test('calls are recorded in order, and openers answer with fresh descriptors', () => {
  const { kernel, calls } = openRecordingKernel()
  const first = kernel.openTree(-100, '/a', 1)
  const second = kernel.socket(16, 3, 0)
  assert.notEqual(first, second)
  kernel.close(first)
  assert.deepEqual(calls, [
    ['openTree', -100, '/a', 1],
    ['socket', 16, 3, 0],
    ['close', first],
  ])
})

test('the script answers and fails as it says', () => {
  const { kernel, calls } = openRecordingKernel({
    receive: () => new Uint8Array([7]),
    mkdirat: (_directory, path) => {
      throw new KernelError('mkdirat', path, ERRNO.EEXIST)
    },
  })
  assert.deepEqual(kernel.receive(3, 10, 0), new Uint8Array([7]))
  assert.throws(() => kernel.mkdirat(5, 'x', 0o755), { code: 'already-exists' })
  assert.equal(calls.length, 2)
})
