// The collector's timetable, by a clock of the test's own.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { CollectScheduler, type CollectSchedule, DEFAULT_SCHEDULE } from './collect-scheduler.ts'

function withScheduler(
  settings: Partial<CollectSchedule>,
  work: (world: { scheduler: CollectScheduler; pass: (ms: number) => Promise<number> }) => Promise<void>,
): Promise<void> {
  mock.timers.enable({ apis: ['setTimeout'] })
  let nowMs = 0
  const clock = mock.method(performance, 'now', () => nowMs)
  let collections = 0
  const scheduler = new CollectScheduler(async () => void collections++, silentLog, {
    ...DEFAULT_SCHEDULE,
    ...settings,
  })
  const pass = async (ms: number): Promise<number> => {
    nowMs += ms
    mock.timers.tick(ms)
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
    return collections
  }
  return work({ scheduler, pass }).finally(() => {
    clock.mock.restore()
    mock.timers.reset()
  })
}

test('the first collection comes after the start-up delay, and with none only when something is deleted', async () => {
  await withScheduler({ startupDelayMs: 300 }, async ({ scheduler, pass }) => {
    scheduler.start()
    assert.equal(await pass(299), 0)
    assert.equal(await pass(1), 1)
  })
  await withScheduler({ startupDelayMs: 0 }, async ({ scheduler, pass }) => {
    scheduler.start()
    assert.equal(await pass(100_000), 0)
    scheduler.schedule()
    assert.equal(await pass(1000), 1)
  })
})

test('deletions wait for the interval, which keeps collections below their share of the time', () =>
  withScheduler({ pauseThreshold: 0.1 }, async ({ scheduler, pass }) => {
    scheduler.start()
    assert.equal(await pass(100), 1)
    for (let n = 0; n < 50; n++) scheduler.schedule()
    // One that took no time counts as 5 ms: 5 / 0.1 - 5.
    assert.equal(await pass(44), 1)
    assert.equal(await pass(1), 2)
    assert.equal(await pass(10_000), 2)
  }))

test('the threshold of deletions is not left waiting for the interval, but for the schedule delay', () =>
  withScheduler({ deletionThreshold: 3, scheduleDelayMs: 20, startupDelayMs: 0 }, async ({ scheduler, pass }) => {
    scheduler.schedule()
    scheduler.schedule()
    assert.equal(await pass(20), 0)
    scheduler.schedule()
    assert.equal(await pass(19), 0)
    assert.equal(await pass(1), 1)
  }))

test('mutations alone are worth a collection at their threshold, and never where it is 0', async () => {
  const mutate = (scheduler: CollectScheduler, count: number) => {
    for (let n = 0; n < count; n++) scheduler.mutated()
  }
  await withScheduler({ mutationThreshold: 10, startupDelayMs: 0 }, async ({ scheduler, pass }) => {
    mutate(scheduler, 9)
    assert.equal(await pass(10_000), 0)
    mutate(scheduler, 1)
    assert.equal(await pass(1000), 1)
    mutate(scheduler, 9)
    assert.equal(await pass(10_000), 1)
  })
  await withScheduler({ mutationThreshold: 0, startupDelayMs: 0 }, async ({ scheduler, pass }) => {
    mutate(scheduler, 1000)
    assert.equal(await pass(10_000), 0)
  })
})

test('a collection that somebody asks for does the work of the one that was due', () =>
  withScheduler({}, async ({ scheduler, pass }) => {
    scheduler.start()
    scheduler.schedule()
    await scheduler.collectNow()
    assert.equal(await pass(100_000), 1)
    scheduler.schedule()
    assert.equal(await pass(1000), 2)
  }))
