// When health checks are run and what is remembered of them, by a clock that the test winds: the checks themselves can't be run here, which is a failure, too.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createContainer } from '../src/engine/container/create.ts'
import { pauseContainer, unpauseContainer } from '../src/engine/container/pause.ts'
import { startContainer } from '../src/engine/container/start.ts'
import { stopContainer } from '../src/engine/container/stop.ts'
import { ManualClock } from './harness/manual-clock.ts'
import { MemoryContainerd } from './harness/memory-containerd.ts'
import { openMemoryEngine } from './harness/memory-engine.ts'

const SECOND_NS = 1e9

test('a check that cannot be run has failed; nobody looks at what is frozen; a restart begins anew and remembers', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-health-'))
  const clock = new ManualClock(Date.UTC(2026, 0, 1))
  const containerd = new MemoryContainerd(clock)
  const engine = await openMemoryEngine({ clock, containerd, directory, endpoints: new Map(), netns: new Set() })
  const settle = async () => {
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const wind = async (seconds: number) => {
    clock.advance(seconds * 1000)
    await settle()
  }
  const Healthcheck = { Test: ['CMD', 'look'], Interval: 10 * SECOND_NS, Retries: 2 }
  const { container } = await createContainer(engine, { name: 'one', request: { Image: 'image', Healthcheck } })
  const shown = () => {
    const { Status, FailingStreak, Log } = container.state.health ?? { Log: [] }
    return [Status, FailingStreak, Log.length]
  }
  try {
    await startContainer(engine, container, { isAutomatic: false })
    assert.deepEqual(shown(), ['starting', 0, 0])
    await wind(9)
    assert.deepEqual(shown(), ['starting', 0, 0])
    await wind(1)
    assert.deepEqual(shown(), ['starting', 1, 1])
    assert.deepEqual(container.state.health?.Log[0]?.ExitCode, -1)
    assert.match(container.state.health?.Log[0]?.Output ?? '', /^[^\r\n]+$/)
    await wind(10)
    assert.deepEqual(shown(), ['unhealthy', 2, 2])
    container.state.health = { ...container.state.health!, Status: 'healthy', FailingStreak: 0 }
    await pauseContainer(engine, container)
    assert.deepEqual(shown(), ['unhealthy', 0, 2])
    await wind(60)
    assert.deepEqual(shown(), ['unhealthy', 0, 2])
    await unpauseContainer(engine, container)
    await wind(10)
    assert.deepEqual(shown(), ['unhealthy', 1, 3])
    await stopContainer(engine, container, { signal: undefined, timeoutSeconds: 0 })
    assert.deepEqual(shown(), ['unhealthy', 1, 3])
    await startContainer(engine, container, { isAutomatic: false })
    assert.deepEqual(shown(), ['starting', 0, 3])
    for (let time = 0; time < 4; time++) await wind(10)
    assert.deepEqual(shown(), ['unhealthy', 4, 5])
  } finally {
    await engine.containers.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
