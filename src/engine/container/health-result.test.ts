import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatGoDuration, judgeProbe, pauseBeforeProbe, planHealth, startingHealth } from './health-result.ts'

const SECOND_NS = 1e9
const plan = planHealth({
  Healthcheck: {
    Test: ['CMD', 'check'],
    Interval: 2 * SECOND_NS,
    Retries: 2,
    StartPeriod: 10 * SECOND_NS,
    StartInterval: SECOND_NS,
  },
})!
const result = (ExitCode: number, atMs: number) => ({
  Start: new Date(atMs).toISOString(),
  End: new Date(atMs).toISOString(),
  ExitCode,
  Output: '',
})

test('a check is planned from its words, with Docker’s defaults', () => {
  assert.equal(planHealth({}), undefined)
  assert.equal(planHealth({ Healthcheck: { Test: ['NONE'] } }), undefined)
  assert.deepEqual(planHealth({ Healthcheck: { Test: ['CMD-SHELL', 'a b'] } }), {
    command: ['/bin/sh', '-c', 'a b'],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    startIntervalMs: 5_000,
    retries: 3,
  })
  assert.deepEqual(planHealth({ Shell: ['ash', '-x'], Healthcheck: { Test: ['CMD-SHELL', 'a'] } })?.command, [
    'ash',
    '-x',
    'a',
  ])
})

test('failures do not count in the start period, then `retries` of them do', () => {
  let health = judgeProbe(plan, startingHealth(), result(1, 5_000), 5_000)
  assert.deepEqual([health.Status, health.FailingStreak], ['starting', 0])
  health = judgeProbe(plan, health, result(1, 11_000), 11_000)
  assert.deepEqual([health.Status, health.FailingStreak], ['starting', 1])
  health = judgeProbe(plan, health, result(-1, 12_000), 12_000)
  assert.deepEqual([health.Status, health.FailingStreak], ['unhealthy', 2])
  health = judgeProbe(plan, health, result(0, 13_000), 13_000)
  assert.deepEqual([health.Status, health.FailingStreak], ['healthy', 0])
  for (let i = 0; i < 9; i++) health = judgeProbe(plan, health, result(0, 14_000 + i), 14_000 + i)
  assert.equal(health.Log.length, 5)
  assert.equal(health.Log.at(-1)?.Start, new Date(14_008).toISOString())
})

test('the pause is short in the start period', () => {
  assert.equal(pauseBeforeProbe(plan, startingHealth(), 100), 1000)
  assert.equal(pauseBeforeProbe(plan, startingHealth(), 10_000), 2000)
  assert.equal(pauseBeforeProbe(plan, { ...startingHealth(), Status: 'healthy' }, 100), 2000)
})

test('durations as Go prints them', () => {
  assert.deepEqual([500, 1000, 1500, 90_000, 3_600_000].map(formatGoDuration), [
    '500ms',
    '1s',
    '1.5s',
    '1m30s',
    '1h0m0s',
  ])
})
