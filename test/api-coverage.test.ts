// The page about the API's coverage is what the table of routes says, and what clients need is served.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatCoverage, listEndpoints } from '../tools/gen-api-coverage.ts'
import { ROOT } from './harness/root.ts'

/** Nouns of which nothing that anybody uses may be missing. */
const WHOLE = ['Container', 'Exec', 'Volume', 'System', 'Events']

test('docs/api-coverage.md is up to date (make gen)', () => {
  assert.equal(readFileSync(join(ROOT, 'docs/api-coverage.md'), 'utf8'), formatCoverage(listEndpoints(ROOT)))
})

test('every endpoint that clients use of containers, execs, volumes, events and the daemon has a route', () => {
  const missing = listEndpoints(ROOT)
    .filter(({ area, tier, state }) => WHOLE.includes(area) && ['core', 'useful'].includes(tier) && state === 'missing')
    .map(({ method, path }) => `${method} ${path}`)
  assert.deepEqual(missing, [])
})
