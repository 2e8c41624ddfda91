// Containers against a model: thousands of random steps, each compared; what differs is shrunk to the few steps that show it.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { Failure, isFailure } from '../src/base/failure.ts'
import { isAlive } from '../src/engine/container/container-state.ts'
import { createContainer } from '../src/engine/container/create.ts'
import { killByName } from '../src/engine/container/kill.ts'
import { pauseContainer, unpauseContainer } from '../src/engine/container/pause.ts'
import { removeContainer } from '../src/engine/container/remove.ts'
import { renameContainer } from '../src/engine/container/rename.ts'
import { restartContainer } from '../src/engine/container/restart.ts'
import { startContainer } from '../src/engine/container/start.ts'
import { stopContainer } from '../src/engine/container/stop.ts'
import type { Engine } from '../src/engine/engine.ts'
import { ContainerModel, NAMES, type Step } from './harness/container-model.ts'
import { ManualClock } from './harness/manual-clock.ts'
import { MemoryContainerd } from './harness/memory-containerd.ts'
import { type MemoryMachine, openMemoryEngine } from './harness/memory-engine.ts'

const STEPS_MIN = 10_000
const START_MS = Date.UTC(2026, 0, 1)
const root = mkdtempSync(join(tmpdir(), 'berth-state-machine-'))
after(() => rmSync(root, { recursive: true, force: true }))
let runs = 0

/** The engine under test, and what is below it. */
class World {
  readonly machine: MemoryMachine
  engine: Engine

  private constructor(machine: MemoryMachine, engine: Engine) {
    this.machine = machine
    this.engine = engine
  }

  static async open(): Promise<World> {
    const clock = new ManualClock(START_MS)
    const containerd = new MemoryContainerd(clock)
    const directory = join(root, String(++runs))
    const machine = { clock, containerd, directory, endpoints: new Map(), netns: new Set<string>() }
    return new World(machine, await openMemoryEngine(machine))
  }

  /** Undefined, or the code of what it was refused with. */
  async apply(step: Step): Promise<string | undefined> {
    try {
      await this.#perform(step)
      return undefined
    } catch (error) {
      if (!isFailure(error)) throw error
      return error.code
    } finally {
      await this.settle()
    }
  }

  /** Until nothing is under way that does not wait for the clock. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      await this.engine.containers.settled()
    }
  }

  async #perform(step: Step): Promise<void> {
    const { engine, machine } = this
    const { containerd, clock } = machine
    if (step.kind === 'wind') return clock.advance(step.ms)
    if (!('slot' in step)) return await this.#beginAgain(step.kind === 'reboot')
    const name = NAMES[step.slot] ?? ''
    if (step.kind === 'create') {
      const HostConfig = { RestartPolicy: step.policy, AutoRemove: step.autoRemove }
      await createContainer(engine, { name, request: { Image: 'image', HostConfig } })
      return
    }
    const container = engine.containers.require(name)
    switch (step.kind) {
      case 'start':
        containerd.startsStubborn = step.isStubborn
        containerd.nextStartFailure = step.fails ? new Failure('unknown', 'it is broken') : undefined
        try {
          return await startContainer(engine, container, { isAutomatic: false })
        } finally {
          containerd.startsStubborn = false
          containerd.nextStartFailure = undefined
        }
      case 'stop':
        return await stopContainer(engine, container, { signal: undefined, timeoutSeconds: 0 })
      case 'restart':
        return await restartContainer(engine, container, { signal: undefined, timeoutSeconds: 0 })
      case 'kill':
        return await killByName(engine, name, step.signal)
      case 'exit':
        return isAlive(container.state) ? containerd.end(container.id, step.code) : undefined
      case 'oom':
        return isAlive(container.state) ? containerd.outOfMemory(container.id) : undefined
      case 'pause':
        return await pauseContainer(engine, container)
      case 'unpause':
        return await unpauseContainer(engine, container)
      case 'rename':
        return await renameContainer(engine, container, NAMES[step.to] ?? '')
      case 'remove':
        return await removeContainer(engine, container, { force: step.force, removeVolumes: true })
    }
  }

  /** The engine is gone without a word, and with it its timers; another takes over. */
  async #beginAgain(isReboot: boolean): Promise<void> {
    for (const container of this.engine.containers.list()) container.pendingRestart?.cancel()
    await this.engine.containers.close()
    if (isReboot) {
      this.machine.containerd.reboot()
      this.machine.endpoints.clear()
      this.machine.netns.clear()
    }
    this.engine = await openMemoryEngine(this.machine)
  }
}

/** What a user can see of every container, and what there is below that nobody may leave behind. */
function compare({ engine, machine }: World, model: ContainerModel): void {
  const seen = engine.containers.list().map(({ name, record, state }) => ({
    name,
    status: state.status,
    exitCode: state.exitCode,
    oomKilled: state.oomKilled,
    restartCount: record.restartCount,
    hasPid: state.pid !== 0,
  }))
  const expected = [...model.containers.values()].map(({ name, status, exitCode, oomKilled, restartCount }) => ({
    name,
    status,
    exitCode,
    oomKilled,
    restartCount,
    hasPid: status === 'running' || status === 'paused',
  }))
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
  assert.deepEqual(seen.sort(byName), expected.sort(byName))
  const { containerd, endpoints, netns } = machine
  const all = engine.containers.list()
  const alive = all.filter(({ state }) => isAlive(state)).map(({ id }) => id)
  assert.deepEqual([...containerd.tasks.keys()].sort(), alive.sort(), 'a task for each that runs')
  assert.deepEqual([...containerd.containers.keys()].sort(), alive, 'and a record')
  assert.deepEqual([...endpoints.keys()].sort(), alive, 'and an endpoint')
  assert.equal(netns.size, alive.length, 'and a network namespace')
  const ids = all.map(({ id }) => id).sort()
  assert.deepEqual([...containerd.snapshots.keys()].sort(), ids, 'a layer for each')
  assert.deepEqual(readdirSync(engine.containers.directory).sort(), ids, 'and a directory')
}

const slot = fc.nat({ max: NAMES.length - 1 })
const policy = fc.oneof(
  fc.constantFrom({ Name: 'no' }, { Name: 'always' }, { Name: 'unless-stopped' }, { Name: 'on-failure' }),
  fc.nat({ max: 2 }).map((retries) => ({ Name: 'on-failure', MaximumRetryCount: retries })),
)
const isRare = fc.nat({ max: 7 }).map((number) => number === 0)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('create'), slot, policy, autoRemove: isRare }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('start'), slot, isStubborn: isRare, fails: isRare }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('stop', 'restart', 'pause', 'unpause', 'oom'), slot }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill'), slot, signal: fc.constantFrom('KILL', 'TERM') }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('exit'), slot, code: fc.constantFrom(0, 1, 137) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename'), slot, to: slot }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), slot, force: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wind'), ms: fc.constantFrom(50, 100, 400, 12_000, 70_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('crash', 'reboot') }) },
)

test(`a container does what the model does, for ${STEPS_MIN} random steps`, async () => {
  let steps = 0
  const property = fc.asyncProperty(fc.noBias(fc.array(step, { maxLength: 150, size: 'max' })), async (plan) => {
    const world = await World.open()
    const model = new ContainerModel()
    for (const each of plan) {
      steps++
      const expected = model.apply(each)
      const actual = await world.apply(each)
      assert.equal(actual, expected, `${JSON.stringify(each)} is answered`)
      compare(world, model)
    }
    await world.engine.containers.close()
  })
  await fc.assert(property, { numRuns: 150, verbose: fc.VerbosityLevel.None })
  assert.ok(steps >= STEPS_MIN, `${steps} steps`)
})
