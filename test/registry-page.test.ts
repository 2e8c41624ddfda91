// What berth-registry gives browsers is what its sources say.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatPage } from '../tools/gen-page.ts'
import { ROOT } from './harness/root.ts'

test('src/gen/registry-page.ts is what `make gen` writes', () => {
  assert.equal(readFileSync(join(ROOT, 'src/gen/registry-page.ts'), 'utf8'), formatPage(ROOT))
})
