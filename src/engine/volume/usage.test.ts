import assert from 'node:assert/strict'
import { linkSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { removeTree } from '../../trees/remove-tree.ts'
import { sizeOf } from './usage.ts'

test('files count once, links for themselves, and nothing is too deep to be counted', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'outside-'))
  const mountpoint = mkdtempSync(join(tmpdir(), 'volume-'))
  const size = () =>
    sizeOf({ log: silentLog }, { name: 'v', mountpoint, driver: 'local', labels: null, options: null, scope: 'local' })
  const before = process.cwd()
  try {
    writeFileSync(join(outside, 'large'), Buffer.alloc(100_000))
    writeFileSync(join(mountpoint, 'one'), Buffer.alloc(1000))
    linkSync(join(mountpoint, 'one'), join(mountpoint, 'two'))
    symlinkSync(outside, join(mountpoint, 'out'))
    assert.equal(await size(), 1000 + outside.length)
    process.chdir(mountpoint)
    for (let depth = 0; depth < 30; depth++) {
      mkdirSync('d'.repeat(200))
      process.chdir('d'.repeat(200))
    }
    writeFileSync('bottom', Buffer.alloc(500))
    assert.equal(await size(), 1500 + outside.length)
    for (let depth = 0; depth < 1000; depth++) {
      mkdirSync('d')
      process.chdir('d')
    }
    assert.equal(await size(), -1, 'but for what would keep too many descriptors open')
  } finally {
    process.chdir(before)
    for (const path of [mountpoint, outside]) await removeTree(path)
  }
})
