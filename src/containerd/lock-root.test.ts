import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { lockRoot } from './lock-root.ts'

test('a data directory belongs to one process, and to root alone', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lock-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const root = join(directory, 'root')
  const kernel = openNativeKernel()
  const lock = lockRoot(kernel, root)
  assert.equal(statSync(root).mode & 0o777, 0o700)
  assert.throws(() => lockRoot(kernel, root), { code: 'already-exists' })
  lock[Symbol.dispose]()
  lockRoot(kernel, root)[Symbol.dispose]()
})
