import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from './clock.ts'

test('a wait that is longer than Node’s timers reach does not end at once, and an abort ends it', async () => {
  const stop = new AbortController()
  let isOver = false
  const waiting = systemClock.sleep(2 ** 31 + 1000, stop.signal).then(() => {
    isOver = true
  })
  await systemClock.sleep(20) // Node would have made one millisecond of the other
  assert.equal(isOver, false)
  stop.abort()
  await waiting
  await systemClock.sleep(-5)
})
