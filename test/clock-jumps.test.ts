// Somebody sets the machine's time, hours ahead or back, while containers run: what counts how long something takes does not notice.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Container } from '../src/engine/container/container.ts'
import { createContainer } from '../src/engine/container/create.ts'
import { startContainer } from '../src/engine/container/start.ts'
import type { Engine } from '../src/engine/engine.ts'
import { ManualClock } from './harness/manual-clock.ts'
import { MemoryContainerd } from './harness/memory-containerd.ts'
import { openMemoryEngine } from './harness/memory-engine.ts'

const SECOND_NS = 1e9
const JUMPS = [86_400_000, -86_400_000]

interface Bench {
  engine: Engine
  clock: ManualClock
  containerd: MemoryContainerd
  wind(seconds: number): Promise<void>
  add(request: object): Promise<Container>
}

async function withEngine(work: (bench: Bench) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-clock-'))
  const clock = new ManualClock(Date.UTC(2026, 0, 1))
  const containerd = new MemoryContainerd(clock)
  const engine = await openMemoryEngine({ clock, containerd, directory, endpoints: new Map(), netns: new Set() })
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const wind = async (seconds: number) => {
    clock.advance(seconds * 1000)
    await settle()
  }
  let count = 0
  const add = async (request: object) => {
    const { container } = await createContainer(engine, {
      name: `n${++count}`,
      request: { Image: 'image', ...request },
    })
    await startContainer(engine, container, { isAutomatic: false })
    await settle()
    return container
  }
  try {
    await work({ engine, clock, containerd, wind, add })
  } finally {
    await engine.containers.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

for (const jumpMs of JUMPS) {
  const which = jumpMs > 0 ? 'ahead' : 'back'

  test(`the time is set ${which}: checks come as often as before, and the time to come up is as long as it was`, async () => {
    await withEngine(async ({ clock, wind, add }) => {
      const times = { Interval: 10 * SECOND_NS, StartPeriod: 20 * SECOND_NS, StartInterval: 2 * SECOND_NS }
      const container = await add({ Healthcheck: { Test: ['CMD', 'look'], Retries: 2, ...times } })
      const shown = () => [container.state.health?.Status, container.state.health?.FailingStreak]
      const checks = () => container.state.health?.Log.length
      await wind(2)
      assert.deepEqual([...shown(), checks()], ['starting', 0, 1])
      clock.jump(jumpMs)
      await wind(2)
      assert.deepEqual([...shown(), checks()], ['starting', 0, 2], 'still in the time to come up')
      for (let seconds = 4; seconds < 18; seconds += 2) await wind(2)
      assert.deepEqual(shown(), ['starting', 0])
      await wind(2)
      assert.deepEqual(shown(), ['starting', 1], 'which is over')
      await wind(2)
      assert.deepEqual(shown(), ['starting', 1], 'the long interval counts from now on')
      await wind(8)
      assert.deepEqual(shown(), ['unhealthy', 2])
    })
  })

  test(`the time is set ${which}: what fails again and again is restarted ever later, what ran for long at once`, async () => {
    await withEngine(async ({ clock, containerd, wind, add }) => {
      const container = await add({ HostConfig: { RestartPolicy: { Name: 'always' } } })
      const endAndTell = async () => {
        containerd.end(container.id, 1)
        await wind(0)
        return container.lastRestartDelayMs
      }
      assert.equal(await endAndTell(), 100)
      await wind(0.1)
      await wind(1)
      clock.jump(jumpMs)
      assert.equal(await endAndTell(), 200, 'one second is no stable run')
      clock.jump(jumpMs)
      await wind(0.1)
      assert.equal(container.state.status, 'restarting')
      await wind(0.1)
      assert.equal(container.state.status, 'running')
      clock.jump(jumpMs)
      await wind(11)
      assert.equal(await endAndTell(), 100, 'eleven are')
    })
  })
}
