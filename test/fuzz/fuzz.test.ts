import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz, newSeed } from './fuzz.ts'
import { attempt, TARGETS } from './targets.ts'

for (const [name, target] of Object.entries(TARGETS))
  test(`${name}: broken input is refused in due form, and soon`, () => {
    assert.ok(
      target.samples.some((sample) => attempt(target, sample)),
      'no sample is right',
    )
    assert.ok(fuzz(name, target, { seed: newSeed(), durationMs: 100 }).runs > 0)
  })
