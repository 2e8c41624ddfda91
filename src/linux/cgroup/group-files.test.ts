import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRNO, KernelError } from '../kernel-error.ts'
import { applyWrites, type FileWrite, parsePairs } from './group-files.ts'

/** A group in which a burst needs a quota, and which lacks one file. */
function fakeGroup(): { applied: string[]; apply: (write: FileWrite) => void } {
  const applied: string[] = []
  return {
    applied,
    apply: ({ file, value }) => {
      if (file === 'missing') throw new KernelError('write', file, ERRNO.ENOENT)
      if (file === 'burst' && !applied.some((each) => each.startsWith('quota')))
        throw new KernelError('write', file, ERRNO.EINVAL)
      applied.push(`${file}=${value}`)
    },
  }
}

test('what depends on a later write is tried again after it', () => {
  const { applied, apply } = fakeGroup()
  applyWrites(
    [
      { file: 'burst', value: '1', deferrable: true },
      { file: 'quota', value: '2' },
      { file: 'idle', value: '3' },
    ],
    apply,
  )
  assert.deepEqual(applied, ['quota=2', 'idle=3', 'burst=1'])
})

test('what is wrong for another reason fails', () => {
  const { apply } = fakeGroup()
  assert.throws(() => applyWrites([{ file: 'burst', value: '1', deferrable: true }], apply), { errno: ERRNO.EINVAL })
  assert.throws(() => applyWrites([{ file: 'burst', value: '1' }], apply), { errno: ERRNO.EINVAL })
  assert.throws(() => applyWrites([{ file: 'missing', value: '1', deferrable: true }], apply), { errno: ERRNO.ENOENT })
})

test('a missing file is passed over where that does no harm', () => {
  const { applied, apply } = fakeGroup()
  applyWrites(
    [
      { file: 'missing', value: '1', optional: true },
      { file: 'idle', value: '3' },
    ],
    apply,
  )
  assert.deepEqual(applied, ['idle=3'])
})

test('pairs are lines of a key and a number', () => {
  assert.deepEqual(parsePairs('a 1\nb two\n\nc 18446744073709551615\n'), { a: 1n, c: 18_446_744_073_709_551_615n })
})
