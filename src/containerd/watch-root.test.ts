import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { createLog } from '../base/log.ts'
import { isRemoved, nextLook, watchRoot } from './watch-root.ts'

test('isRemoved: only a directory without a link; not one that cannot be asked', () => {
  const failing = (code: string) => () => {
    throw Object.assign(new Error(code), { code })
  }
  assert.equal(
    isRemoved(() => 0),
    true,
  )
  for (const links of [() => 1, () => 2, failing('EIO'), failing('ESTALE'), failing('ENOTCONN')])
    assert.equal(isRemoved(links), false)
})

test('nextLook: twice as long each time, a minute at most', () => {
  const delays = [1_000]
  while (delays.length < 9) delays.push(nextLook(delays.at(-1) ?? 0))
  assert.deepEqual(
    delays,
    [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000),
  )
})

test('a root is removed when its directory is, whatever has come to its path since; its lock file alone is not enough', async () => {
  const places = ['whole', 'replaced', 'lock-only'].map((name) => {
    const root = mkdtempSync(join(tmpdir(), `watch-root-${name}-`))
    writeFileSync(join(root, 'lock'), '')
    return { name, root, watched: watchRoot(root, createLog('error')) }
  })
  const seen: string[] = []
  for (const { name, watched } of places) void watched.removed.then(() => seen.push(name))
  const [whole, replaced, lockOnly] = places
  if (whole === undefined || replaced === undefined || lockOnly === undefined) throw new Error('three places')
  const hold = setInterval(() => {}, 1_000) // the watch itself keeps no process
  rmSync(join(lockOnly.root, 'lock')) // first, so that it is looked for no later than the others
  rmSync(whole.root, { recursive: true })
  rmSync(replaced.root, { recursive: true })
  const successor = mkdtempSync(join(tmpdir(), 'watch-root-successor-'))
  writeFileSync(replaced.root, '')
  await Promise.all([whole.watched.removed, replaced.watched.removed])
  clearInterval(hold)
  assert.deepEqual([seen.sort(), existsSync(lockOnly.root)], [['replaced', 'whole'], true])
  for (const { root, watched } of places) {
    watched[Symbol.dispose]()
    rmSync(root, { recursive: true, force: true })
  }
  rmSync(successor, { recursive: true })
})
