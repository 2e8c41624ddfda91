import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz, newSeed } from './fuzz.ts'
import { attempt, TARGETS } from './targets.ts'

for (const [name, target] of Object.entries(TARGETS))
  test(`${name}: broken input is refused in due form, and soon`, async () => {
    const taken = await Promise.all(target.samples.map((sample) => attempt(target, sample)))
    assert.ok(taken.includes(true), 'no sample is right')
    assert.ok((await fuzz(name, target, { seed: newSeed(), durationMs: 100 })).runs > 0)
  })
