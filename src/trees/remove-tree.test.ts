import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { removeTree } from './remove-tree.ts'

test('directories deeper than any path can say are removed as well, and what is not there is no error', async () => {
  const root = mkdtempSync(join(tmpdir(), 'remöve-'))
  const before = process.cwd()
  process.chdir(root)
  try {
    for (let depth = 0; depth < 60; depth++) {
      writeFileSync('file', 'x')
      mkdirSync('d'.repeat(200))
      process.chdir('d'.repeat(200))
    }
  } finally {
    process.chdir(before)
  }
  await removeTree(root)
  assert.ok(!existsSync(root))
  await removeTree(root)
})
