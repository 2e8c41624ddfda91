import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { spreadDirectories } from './spread-directories.ts'

const EXT4_MAGIC = 0xef53

test('the directory is marked as the top of hierarchies, once and for all', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-spread-'))
  t.after(() => rmSync(directory, { recursive: true }))
  spreadDirectories(directory)
  spreadDirectories(directory)
  const listed = spawnSync('lsattr', ['-d', directory], { encoding: 'utf8' })
  if (statfsSync(directory).type !== EXT4_MAGIC || listed.status !== 0) return t.skip('not on ext4, or no lsattr')
  assert.match(listed.stdout.split(' ')[0] ?? '', /T/)
})
