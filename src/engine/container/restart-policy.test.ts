import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EndedRun } from './restart-policy.ts'
import { decideRestart, startsWithEngine } from './restart-policy.ts'

const FAILED: EndedRun = {
  exitCode: 1,
  isToldToExit: false,
  wasStopped: false,
  durationMs: 50,
  restartCount: 0,
  lastDelayMs: undefined,
}

test('delays double from 100 ms to a minute', () => {
  const delays: number[] = []
  let lastDelayMs: number | undefined
  for (let n = 0; n < 12; n++) {
    lastDelayMs = decideRestart({ Name: 'always' }, { ...FAILED, lastDelayMs })
    delays.push(lastDelayMs ?? -1)
  }
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000])
})

test('a run of ten seconds starts the delays again', () => {
  assert.equal(decideRestart({ Name: 'always' }, { ...FAILED, lastDelayMs: 6400, durationMs: 10_000 }), 100)
  assert.equal(decideRestart({ Name: 'always' }, { ...FAILED, lastDelayMs: 6400, durationMs: 9_999 }), 12800)
})

test('on-failure restarts failures only, and so many times', () => {
  const policy = { Name: 'on-failure', MaximumRetryCount: 2 }
  assert.equal(decideRestart(policy, { ...FAILED, exitCode: 0 }), undefined)
  assert.equal(decideRestart(policy, { ...FAILED, restartCount: 1 }), 100)
  assert.equal(decideRestart(policy, { ...FAILED, restartCount: 2 }), undefined)
  assert.equal(decideRestart({ Name: 'on-failure' }, { ...FAILED, restartCount: 1000 }), 100)
})

test('nothing comes back that was told to end; unless-stopped remembers it', () => {
  for (const Name of ['always', 'unless-stopped', 'on-failure'])
    assert.equal(decideRestart({ Name }, { ...FAILED, isToldToExit: true }), undefined)
  assert.equal(decideRestart({ Name: 'unless-stopped' }, { ...FAILED, wasStopped: true }), undefined)
  assert.equal(decideRestart({ Name: 'always' }, { ...FAILED, wasStopped: true }), 100)
  for (const Name of ['no', '']) assert.equal(decideRestart({ Name }, FAILED), undefined)
})

test('with the engine come up: always, unless-stopped that was not stopped, on-failure that failed', () => {
  const past = { wasStopped: false, hasRun: true, exitCode: 0, restartCount: 0 }
  assert.equal(startsWithEngine({ Name: 'always' }, { ...past, wasStopped: true }), true)
  assert.equal(startsWithEngine({ Name: 'always' }, { ...past, hasRun: false }), false)
  assert.equal(startsWithEngine({ Name: 'unless-stopped' }, past), true)
  assert.equal(startsWithEngine({ Name: 'unless-stopped' }, { ...past, wasStopped: true }), false)
  assert.equal(startsWithEngine({ Name: 'on-failure' }, past), false)
  assert.equal(startsWithEngine({ Name: 'on-failure' }, { ...past, exitCode: 2 }), true)
  const limited = { Name: 'on-failure', MaximumRetryCount: 3 }
  assert.equal(startsWithEngine(limited, { ...past, exitCode: 2, restartCount: 3 }), false)
  assert.equal(startsWithEngine({ Name: 'no' }, past), false)
})
