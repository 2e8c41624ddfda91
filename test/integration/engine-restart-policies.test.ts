// Restart policies across everything that can go down: the daemon, a shim, the whole machine. And containers against the model, on real processes.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { call } from '../harness/api.ts'
import { isAlive, startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, run } from '../harness/command.ts'
import { ContainerModel, NAMES, type Step } from '../harness/container-model.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'

const PATIENCE_MS = 60_000
let engine: TestEngine

before(async () => {
  engine = await startEngine()
  await using registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', `${registry.host}/busybox`)
  await engine.ok('tag', `${registry.host}/busybox`, 'box')
})

after(() => engine[Symbol.asyncDispose]())

interface State {
  status: string
  exitCode: number
  restarts: number
  pid: number
}

async function stateOf(name: string): Promise<State> {
  const format = '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}} {{.State.Pid}}'
  const [status = '', ...numbers] = (await engine.ok('inspect', '-f', format, name)).split(' ')
  const [exitCode = 0, restarts = 0, pid = 0] = numbers.map(Number)
  return { status, exitCode, restarts, pid }
}

/** The process's parent: its shim. */
function shimOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

const DIRECTORIES = ['data/containers', 'exec/netns', 'exec/streams', 'exec/containerd/state/tasks/moby']

/** No container is there, and none has left anything. */
async function nothingOfContainers(): Promise<void> {
  await eventually('nothing of any container is left', PATIENCE_MS, () => {
    const left = DIRECTORIES.map((path) => join(engine.directory, path)).filter((path) => existsSync(path))
    return left.every((path) => readdirSync(path).length === 0)
  })
}

const POLICIES = ['no', 'always', 'unless-stopped', 'on-failure'] as const

/** One that runs and one that a user has stopped, for each policy. */
async function makeAll(): Promise<void> {
  for (const policy of POLICIES)
    for (const kind of ['runs', 'stopped'])
      await engine.ok('run', '-d', '--name', `${policy}.${kind}`, '--restart', policy, 'box', 'sleep', '1000')
  await engine.ok('stop', '-t', '0', ...POLICIES.map((policy) => `${policy}.stopped`))
}

async function removeAll(): Promise<void> {
  await engine.ok('rm', '-f', ...POLICIES.flatMap((policy) => [`${policy}.runs`, `${policy}.stopped`]))
  await nothingOfContainers()
}

/** Waits for every container to be as the table says. */
async function expectAll(expected: Readonly<Record<string, Partial<State>>>): Promise<void> {
  for (const [name, wanted] of Object.entries(expected)) {
    let state: State | undefined
    const matches = async () => {
      state = await stateOf(name)
      return Object.entries(wanted).every(([key, value]) => state?.[key as keyof State] === value)
    }
    await eventually(`${name} is as it should be`, PATIENCE_MS, matches).catch(() =>
      assert.deepEqual(state, wanted, name),
    )
  }
}

describe('restart policies', () => {
  test('when the daemon is killed: what runs runs on, what was stopped comes up by `always` and `on-failure` only', async () => {
    await makeAll()
    const pids = await Promise.all(POLICIES.map(async (policy) => (await stateOf(`${policy}.runs`)).pid))
    await engine.killEngine()
    await engine.start()
    await expectAll({
      ...Object.fromEntries(
        POLICIES.map((policy, index) => [`${policy}.runs`, { status: 'running', pid: pids[index] ?? 0, restarts: 0 }]),
      ),
      'no.stopped': { status: 'exited', exitCode: 137 },
      'always.stopped': { status: 'running' },
      'unless-stopped.stopped': { status: 'exited', exitCode: 137 },
      'on-failure.stopped': { status: 'running' },
    })
    await removeAll()
  })

  test('when a shim is killed: the container has died, and its policy counts', async () => {
    await makeAll()
    for (const policy of POLICIES) process.kill(shimOf((await stateOf(`${policy}.runs`)).pid), 'SIGKILL')
    await expectAll({
      'no.runs': { status: 'exited', exitCode: 137, restarts: 0 },
      'always.runs': { status: 'running', restarts: 1 },
      'unless-stopped.runs': { status: 'running', restarts: 1 },
      'on-failure.runs': { status: 'running', restarts: 1 },
      ...Object.fromEntries(POLICIES.map((policy) => [`${policy}.stopped`, { status: 'exited', exitCode: 137 }])),
    })
    await removeAll()
  })

  test('when the machine goes down and up again: as after a daemon’s death, but nothing has survived', async () => {
    await makeAll()
    const pids = await Promise.all(POLICIES.map(async (policy) => (await stateOf(`${policy}.runs`)).pid))
    const shims = pids.map(shimOf)
    await engine.killEngine()
    await engine.killContainerd()
    for (const pid of [...shims, ...pids])
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has gone with its shim.
      }
    await eventually('nothing runs', PATIENCE_MS, () => ![...shims, ...pids].some(isAlive))
    await forgetRuntimeState()
    await engine.start()
    await expectAll({
      'no.runs': { status: 'exited', exitCode: 255, pid: 0 },
      'always.runs': { status: 'running', restarts: 0 },
      'unless-stopped.runs': { status: 'running', restarts: 0 },
      'on-failure.runs': { status: 'running', restarts: 0 },
      'no.stopped': { status: 'exited', exitCode: 137 },
      'always.stopped': { status: 'running' },
      'unless-stopped.stopped': { status: 'exited', exitCode: 137 },
      'on-failure.stopped': { status: 'running' },
    })
    await removeAll()
  })

  test('on-failure tries so often and no more, with pauses that double', async () => {
    await engine.ok('run', '-d', '--name', 'tries', '--restart', 'on-failure:3', 'box', 'sh', '-c', 'exit 3')
    await expectAll({ tries: { status: 'exited', exitCode: 3, restarts: 3 } })
    const events = await engine.ok(
      ...['events', '--since', '5m', '--until', String(Date.now() / 1000), '--format', '{{.TimeNano}} {{.Action}}'],
      ...['--filter', 'container=tries', '--filter', 'event=die', '--filter', 'event=start'],
    )
    const lines = events.split('\n').map((line) => line.split(' '))
    assert.deepEqual(
      lines.map(([, action]) => action),
      ['start', 'die', 'start', 'die', 'start', 'die', 'start', 'die'],
    )
    const pausesMs = [1, 3, 5].map((at) => (Number(lines[at + 1]?.[0]) - Number(lines[at]?.[0])) / 1e6)
    for (const [index, leastMs] of [100, 200, 400].entries())
      assert.ok((pausesMs[index] ?? 0) >= leastMs, `${pausesMs.join(', ')} ms`)
    await engine.ok('start', 'tries')
    await expectAll({ tries: { status: 'exited', restarts: 3 } })
    await engine.ok('rm', 'tries')
  })
})

/** /run is empty after a start of the machine. */
async function forgetRuntimeState(): Promise<void> {
  const netns = join(engine.directory, 'exec/netns')
  for (const name of readdirSync(netns)) await run(['umount', '-l', join(netns, name)])
  rmSync(join(engine.directory, 'exec'), { recursive: true, force: true })
}

const BOUND_MS = 40_000
const api = (line: string, body?: unknown) => call(engine.socketPath, line, body === undefined ? {} : { body })
const STATUS_OF: Record<string, number> = {
  ...{ 'not-found': 404, conflict: 409, 'not-modified': 304, 'invalid-argument': 400, unknown: 500 },
}

/** The answer's status where it is a refusal. */
async function perform(step: Step): Promise<number | undefined> {
  if (!('slot' in step)) return undefined
  const name = NAMES[step.slot] ?? ''
  const answer = await (() => {
    switch (step.kind) {
      case 'create':
        return api(`POST /containers/create?name=${name}`, {
          ...{ Image: 'box', Cmd: ['sleep', '1000'] },
          HostConfig: { RestartPolicy: step.policy, AutoRemove: step.autoRemove, NetworkMode: 'none' },
        })
      case 'stop':
      case 'restart':
        return api(`POST /containers/${name}/${step.kind}?t=0`)
      case 'kill':
        return api(`POST /containers/${name}/kill?signal=${step.signal}`)
      case 'rename':
        return api(`POST /containers/${name}/rename?name=${NAMES[step.to]}`)
      case 'remove':
        return api(`DELETE /containers/${name}?force=${step.force}`)
      default:
        return api(`POST /containers/${name}/${step.kind}`)
    }
  })()
  return answer.status < 300 ? undefined : answer.status
}

const slot = fc.nat({ max: 1 })
/** What needs no clock. `sleep` as the first process hears no TERM: all are stubborn. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('create'),
      slot,
      policy: fc.constantFrom({ Name: 'no' }, { Name: 'always' }, { Name: 'unless-stopped' }),
      autoRemove: fc.nat({ max: 5 }).map((number) => number === 0),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('start'),
      slot,
      isStubborn: fc.constant(true),
      fails: fc.constant(false),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('stop', 'pause', 'unpause'), slot }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill'), slot, signal: fc.constant('KILL') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename'), slot, to: slot }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), slot, force: fc.boolean() }) },
)

test('containers do what the model does, on real processes', async () => {
  const property = fc.asyncProperty(fc.noBias(fc.array(step, { maxLength: 12, size: 'max' })), async (plan) => {
    const model = new ContainerModel()
    try {
      for (const each of plan) {
        const refusal = model.apply(each)
        const expected = refusal === undefined ? undefined : (STATUS_OF[refusal] ?? 500)
        assert.equal(await perform(each), expected, JSON.stringify(each))
        const wanted = [...model.containers.values()].map(({ name, status, exitCode }) => ({ name, status, exitCode }))
        const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
        await eventually(`the containers are as the model's after ${JSON.stringify(each)}`, PATIENCE_MS, async () => {
          const names = (await engine.ok('ps', '-a', '--format', '{{.Names}}'))
            .split('\n')
            .filter((name) => name !== '')
          const seen = await Promise.all(names.map(async (name) => ({ name, ...(await stateOf(name)) }))).catch(
            () => [],
          )
          const shown = seen.map(({ name, status, exitCode }) => ({ name, status, exitCode })).sort(byName)
          return JSON.stringify(shown) === JSON.stringify(wanted.sort(byName))
        })
      }
    } finally {
      for (const name of NAMES) await api(`DELETE /containers/${name}?force=1`)
    }
  })
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: BOUND_MS, markInterruptAsFailure: false })
  await nothingOfContainers()
})
