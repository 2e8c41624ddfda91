// Streams of stats on a clock that the test turns: when each has its samples, and what is asked of containerd for them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../src/base/failure.ts'
import type { Container } from '../src/engine/container/container.ts'
import { StatsRounds } from '../src/engine/container/stats-rounds.ts'
import { watchStats } from '../src/engine/container/stats.ts'
import type { Engine } from '../src/engine/engine.ts'
import { Metrics } from '../src/wire/shim-v2/metrics-v1.ts'
import { ManualClock } from './harness/manual-clock.ts'

const START_MS = 1_700_000_000_000

function open() {
  const clock = new ManualClock(START_MS)
  const calls: string[][] = []
  const gone = new Set<string>()
  const broken = new Set<string>()
  const metrics = async ({ filters }: { filters: string[] }) => {
    const ids = filters.map((filter) => filter.replace('id==', ''))
    calls.push(ids)
    if (ids.some((id) => broken.has(id))) throw new Failure('unavailable', 'containerd is gone')
    const value = Metrics.encode({ pids: { current: 3n, limit: 0n } })
    // Each is read a millisecond after the one before it.
    const timestamp = (index: number) => ({ seconds: BigInt(clock.now()) / 1000n, nanos: (index + 1) * 1_000_000 })
    const found = ids.map((id, index) => ({
      id,
      timestamp: timestamp(index),
      data: { typeUrl: 'io.containerd.cgroups.v1.Metrics', value },
    }))
    return { metrics: found.filter(({ id }) => !gone.has(id)) }
  }
  const containers = { find: () => undefined }
  const engine = {
    ...{ clock, containers, statsRounds: new StatsRounds(clock) },
    ...{ containerd: { tasks: { metrics } }, peer: {}, kernel: {} },
  } as unknown as Engine
  return { engine, clock, calls, gone, broken }
}

const containerOf = (id: string, status = 'running') =>
  ({ id, name: id, isGone: false, state: { status }, record: { hostConfig: {} } }) as unknown as Container

interface Watch {
  samples: Record<string, unknown>[]
  hasEnded: boolean
  error?: unknown
  stop(): void
}

function watch(engine: Engine, container: Container, mode: 'stream' | 'once' | 'one-shot' = 'stream'): Watch {
  const stop = new AbortController()
  const found: Watch = { samples: [], hasEnded: false, stop: () => stop.abort() }
  const follow = async () => {
    for await (const sample of watchStats(engine, container, mode, stop.signal)) found.samples.push(sample)
  }
  void follow()
    .catch((error: unknown) => (found.error = error))
    .finally(() => (found.hasEnded = true))
  return found
}

/** What is under way comes as far as it can without the clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100)
    await settle()
  }
}

test('the first sample comes at once, the others about every second and together, each with its own times', async () => {
  const { engine, clock, calls } = open()
  const a = watch(engine, containerOf('a'))
  await settle()
  assert.equal(a.samples.length, 1)
  await pass(clock, 300)
  const second = containerOf('b')
  const [b, same] = [watch(engine, second), watch(engine, second)]
  await settle()
  assert.deepEqual(
    [a, b, same].map(({ samples }) => samples.length),
    [1, 1, 1],
  )
  assert.deepEqual(calls.splice(0), [['a'], ['b'], ['b']])
  await pass(clock, 3700)
  assert.deepEqual(calls, [
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'b'],
  ])
  assert.deepEqual(
    [a, b, same].map(({ samples }) => samples.length),
    [5, 5, 5],
  )
  assert.deepEqual(
    a.samples.map(({ pids_stats }) => pids_stats),
    Array.from({ length: 5 }, () => ({ current: 3 })),
  )
  for (const { samples } of [a, b, same]) {
    assert.equal(samples[0]?.['preread'], '0001-01-01T00:00:00Z')
    for (const [index, sample] of samples.slice(1).entries()) assert.equal(sample['preread'], samples[index]?.['read'])
  }
  assert.deepEqual(
    [a, b].map(({ samples }) => samples.at(-1)?.['read']),
    ['2023-11-14T22:13:24.001Z', '2023-11-14T22:13:24.002Z'],
  )
  for (const { stop } of [a, b, same]) stop()
  await settle()
  assert.ok([a, b, same].every(({ hasEnded }) => hasEnded))
  calls.splice(0)
  await pass(clock, 3000)
  assert.deepEqual(calls, [])
})

test('two samples of a stream are at least half a second apart, whenever it begins', async () => {
  for (let late = 0; late < 1000; late += 100) {
    const { engine, clock } = open()
    const first = watch(engine, containerOf('first'))
    await pass(clock, late)
    const other = watch(engine, containerOf('other'))
    await settle()
    await pass(clock, 400)
    assert.equal(other.samples.length, 1, `${late}`)
    await pass(clock, 1100)
    assert.equal(other.samples.length, 2, `${late}`)
    first.stop()
    other.stop()
  }
})

test('a task that is missing, or a call that fails, costs only the streams of their own', async () => {
  const { engine, clock, calls, gone, broken } = open()
  const names = Array.from({ length: 25 }, (_, index) => `c${index}`)
  const streams = names.map((name) => watch(engine, containerOf(name)))
  const still = watch(engine, containerOf('still', 'exited'))
  await settle()
  calls.splice(0)
  gone.add('c3')
  broken.add('c12')
  await pass(clock, 1000)
  // Who does not run is not asked for, and no call is for more than ten.
  assert.deepEqual(calls.flat().sort(), [...names].sort())
  assert.ok(calls.length === 3 && calls.every((ids) => ids.length <= 10))
  const isEmpty = ({ samples }: Watch) => samples.at(-1)?.['read'] === '0001-01-01T00:00:00Z'
  const lost = names.filter((_, index) => isEmpty(streams[index]!))
  const ofBroken = calls.find((ids) => ids.includes('c12')) ?? []
  assert.deepEqual(lost.sort(), [...new Set(['c3', ...ofBroken])].sort())
  assert.deepEqual(
    still.samples.map(({ read }) => read),
    Array.from({ length: 2 }, () => '0001-01-01T00:00:00Z'),
  )
  broken.clear()
  await pass(clock, 1000)
  assert.deepEqual(
    names.filter((_, index) => isEmpty(streams[index]!)),
    ['c3'],
  )
  for (const { stop } of [...streams, still]) stop()
})

test('one sample, or the second of two, are nobody else’s', async () => {
  const { engine, clock, calls } = open()
  const stream = watch(engine, containerOf('stream'))
  await pass(clock, 700)
  calls.splice(0)
  const [once, oneShot] = [watch(engine, containerOf('once'), 'once'), watch(engine, containerOf('shot'), 'one-shot')]
  await settle()
  assert.deepEqual([once.hasEnded, oneShot.hasEnded, oneShot.samples.length], [false, true, 1])
  await pass(clock, 900)
  assert.equal(once.hasEnded, false)
  await pass(clock, 100)
  assert.deepEqual([once.hasEnded, once.samples.length], [true, 1])
  assert.equal(once.samples[0]?.['preread'], '2023-11-14T22:13:20.001Z')
  assert.deepEqual(calls, [['once'], ['shot'], ['stream'], ['once']])
  stream.stop()
})
