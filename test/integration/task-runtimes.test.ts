// One list of behaviours for everything that runs tasks: the built-in runtime by plan and by command, the original shim, our own as a foreign one.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Failure } from '../../src/base/failure.ts'
import { packJson, RESOURCES_SPEC_TYPE } from '../../src/containerd/client/any.ts'
import { decodeTaskMetrics } from '../../src/containerd/client/task-metrics.ts'
import { ProcessDetails } from '../../src/wire/shim-v2/messages.ts'
import { Status } from '../../src/gen/types/task_pb.ts'
import { eventually } from '../harness/command.ts'
import { type OurContainerd, startOurContainerd } from '../harness/our-containerd.ts'
import { BIN } from '../harness/root.ts'
import { skipWithout } from '../harness/runtime.ts'
import { type RuntimeUnderTest, shellProcess, TaskDriver } from '../harness/task-driver.ts'

const skip = skipWithout('ctr', 'containerd-shim-runc-v2', 'runc')
const RUNTIMES: RuntimeUnderTest[] = [
  { title: 'the built-in runtime', runtime: 'io.containerd.berth.v2' },
  { title: 'the built-in runtime by runc’s commands', runtime: 'io.containerd.berth.v2', program: 'runc' },
  { title: 'the original shim', runtime: 'io.containerd.runc.v2' },
  { title: 'our shim by its path', runtime: join(BIN, 'containerd-shim-berth-v2') },
]

let containerd: OurContainerd

before(async () => {
  if (skip === false) containerd = await startOurContainerd('--own-runtimes', 'io.containerd.runc.v1')
})

after(async () => {
  if (skip === false) await containerd[Symbol.asyncDispose]()
})

const SLEEP = 'exec sleep 4711'
const code =
  (wanted: Failure['code'], words = /./) =>
  (error: Failure) => {
    assert.equal(error.code, wanted, error.message)
    assert.match(error.message, words)
    return true
  }

for (const runtime of RUNTIMES)
  describe(runtime.title, { skip }, () => {
    const tasks = () => containerd.client.tasks
    const statusOf = async (containerId: string, execId = '') =>
      (await tasks().get({ containerId, execId })).process?.status
    let driver: TaskDriver
    before(() => {
      driver = new TaskDriver(containerd, runtime)
    })
    after(() => containerd.nothingLeft())

    test('created, running, stopped, deleted', async () => {
      await driver.with({ script: SLEEP }, async ({ id: containerId, pid }) => {
        assert.ok(pid > 0)
        assert.equal(await statusOf(containerId), Status.CREATED)
        assert.equal((await tasks().start({ containerId })).pid, pid)
        const { process } = await tasks().get({ containerId })
        assert.deepEqual([process?.status, process?.pid, process?.terminal], [Status.RUNNING, pid, false])
        assert.match(process?.stdout ?? '', /stdout$/)
        await assert.rejects(tasks().start({ containerId }), /cannot start a running process/)
        await assert.rejects(tasks().delete({ containerId }))
        const waiting = tasks().wait({ containerId })
        await tasks().kill({ containerId, signal: 9 })
        const exit = await waiting
        assert.equal(exit.exitStatus, 137)
        const stopped = await eventually('it is stopped', 5_000, async () => {
          const { process: now } = await tasks().get({ containerId })
          return now?.status === Status.STOPPED ? now : undefined
        })
        assert.deepEqual([stopped.exitStatus, stopped.exitedAt], [137, exit.exitedAt])
        assert.equal((await tasks().wait({ containerId })).exitStatus, 137, 'also afterwards')
        await assert.rejects(
          tasks().kill({ containerId, signal: 9 }),
          code('not-found', /process already finished: not found$/),
        )
        const deleted = await tasks().delete({ containerId })
        assert.deepEqual([deleted.pid, deleted.exitStatus], [pid, 137])
        await assert.rejects(
          tasks().get({ containerId }),
          code('not-found', new RegExp(`^task ${containerId} not found`)),
        )
      })
    })

    test('output and the exit’s code', async () => {
      await driver.with({ script: 'echo out; echo err >&2; exit 3' }, async ({ id: containerId, output }) => {
        await tasks().start({ containerId })
        assert.equal((await tasks().wait({ containerId })).exitStatus, 3)
        // Two copiers may be at work.
        await eventually('both lines', 5_000, () => output().split('\n').sort().join(' ') === ' err out')
      })
    })

    test('a second task of the same name is refused', async () => {
      await driver.with({ script: SLEEP }, async ({ id: containerId }) => {
        await assert.rejects(
          tasks().create({ containerId, rootfs: driver.rootfs() }),
          code('already-exists', new RegExp(`^task ${containerId}: already exists$`)),
        )
        assert.equal(await statusOf(containerId), Status.CREATED)
      })
    })

    test('a program that is not there', async () => {
      const edit = (spec: { process?: { args?: string[] } }) => {
        if (spec.process !== undefined) spec.process.args = ['nope']
      }
      const id = await driver.record({ script: '', edit })
      await assert.rejects(
        tasks().create({ containerId: id, rootfs: driver.rootfs() }),
        code(
          'unknown',
          /^failed to create shim task: OCI runtime create failed: .*"nope": executable file not found in \$PATH.*: unknown$/s,
        ),
      )
      await containerd.client.containers.delete({ id })
    })

    test('a created task is deleted without having run', async () => {
      await driver.with({ script: SLEEP }, async ({ id: containerId }) => {
        await tasks().delete({ containerId })
        await assert.rejects(tasks().get({ containerId }), code('not-found'))
      })
    })

    test('further processes', async () => {
      await driver.with({ script: SLEEP }, async ({ id: containerId }) => {
        await tasks().start({ containerId })
        const execId = 'e'
        await tasks().exec({ containerId, execId, spec: shellProcess('sleep 4711; exit 5') })
        assert.equal(await statusOf(containerId, execId), Status.CREATED)
        await assert.rejects(tasks().exec({ containerId, execId, spec: shellProcess('true') }), code('already-exists'))
        const { pid } = await tasks().start({ containerId, execId })
        assert.ok(pid > 0)
        assert.equal(await statusOf(containerId, execId), Status.RUNNING)
        const { processes } = await tasks().listPids({ containerId })
        const { info } = processes.find((process) => process.pid === pid) ?? assert.fail('it is not listed')
        assert.equal(info?.typeUrl, 'containerd.runc.v1.ProcessDetails')
        assert.equal(ProcessDetails.decode(info.value).execId, execId)
        await tasks().kill({ containerId, execId, signal: 15 })
        assert.equal((await tasks().wait({ containerId, execId })).exitStatus, 143)
        const deleted = await tasks().deleteProcess({ containerId, execId })
        assert.deepEqual([deleted.id, deleted.pid, deleted.exitStatus], [execId, pid, 143])
        await assert.rejects(tasks().get({ containerId, execId }), code('not-found'))
        await assert.rejects(
          tasks().exec({ containerId, execId: '../x', spec: shellProcess('true') }),
          code('invalid-argument'),
        )
      })
    })

    test('paused and resumed', async () => {
      await driver.with({ script: SLEEP }, async ({ id: containerId }) => {
        await tasks().start({ containerId })
        await tasks().pause({ containerId })
        assert.equal(await statusOf(containerId), Status.PAUSED)
        await tasks().resume({ containerId })
        assert.equal(await statusOf(containerId), Status.RUNNING)
      })
    })

    test('limits change while it runs, and the counters tell; filters choose whose', async () => {
      await driver.with({ script: SLEEP }, async ({ id: containerId }) => {
        await tasks().start({ containerId })
        const limit = 64 << 20
        const resources = packJson(RESOURCES_SPEC_TYPE, { memory: { limit } })
        await tasks().update({ containerId, resources })
        const { metrics } = await tasks().metrics({ filters: [`id==${containerId}`] })
        assert.deepEqual(
          metrics.map(({ id }) => id),
          [containerId],
        )
        const stats = decodeTaskMetrics(metrics[0]?.data ?? assert.fail('no counters'))
        assert.equal(stats.memory?.limitBytes, BigInt(limit))
        assert.equal(stats.pids?.current, 1n)
        assert.ok(stats.cpu.usageNs > 0n)
        const idsOf = async (...filters: string[]) => (await tasks().metrics({ filters })).metrics.map(({ id }) => id)
        assert.deepEqual(await idsOf(`id~=^${containerId}$,namespace==${containerd.namespace}`), [containerId])
        assert.deepEqual(await idsOf(`id!=${containerId}`), [])
        await assert.rejects(idsOf('id=='), code('invalid-argument'))
      })
    })

    test('a terminal has the size that it is given', async () => {
      const script = 'read line; stty size; exec sleep 4711'
      await driver.with({ script, terminal: true }, async ({ id: containerId, output, type }) => {
        await tasks().start({ containerId })
        await tasks().resizePty({ containerId, width: 77, height: 33 })
        type('go\n')
        await eventually('it says the size', 5_000, () => /33 77/.test(output()))
      })
    })

    test('the end of standard input', async () => {
      await driver.with({ script: 'cat; exit 4' }, async ({ id: containerId, output, type, hangUp }) => {
        await tasks().start({ containerId })
        type('typed\n')
        await eventually('it comes back', 5_000, () => output() === 'typed\n')
        hangUp()
        await tasks().closeIO({ containerId, stdin: true })
        assert.equal((await tasks().wait({ containerId })).exitStatus, 4)
      })
    })

    test('a list of all, and a caller that gives up waiting', async () => {
      await driver.with({ script: SLEEP }, async ({ id: first, pid }) =>
        driver.with({ script: SLEEP }, async ({ id: second }) => {
          await tasks().start({ containerId: first })
          const listed = (await tasks().list({})).tasks
          const states = new Map(listed.map((task) => [task.containerId || task.id, task]))
          assert.deepEqual([states.get(first)?.status, states.get(second)?.status], [Status.RUNNING, Status.CREATED])
          assert.equal(states.get(first)?.pid, pid)
          await assert.rejects(tasks().wait({ containerId: first }, { timeoutMs: 50 }), code('deadline-exceeded'))
        }),
      )
    })

    test('events in their order', async () => {
      const stop = new AbortController()
      const topics: string[] = []
      let accept = (): void => {}
      const accepted = new Promise<void>((resolve) => {
        accept = resolve
      })
      const filters = [`namespace==${containerd.namespace},topic~=|^/tasks/|`]
      const events = containerd.client.events.subscribe({ filters }, { signal: stop.signal, onAccepted: accept })
      const reading = (async () => {
        for await (const { topic } of events) topics.push(topic.slice('/tasks/'.length))
      })().catch(() => {}) // aborted
      await accepted
      await driver.with({ script: SLEEP }, async ({ id: containerId }) => {
        await tasks().start({ containerId })
        await tasks().exec({ containerId, execId: 'e', spec: shellProcess('exit 0') })
        await tasks().start({ containerId, execId: 'e' })
        await tasks().wait({ containerId, execId: 'e' })
        await tasks().pause({ containerId })
        await tasks().resume({ containerId })
        await tasks().kill({ containerId, signal: 9 })
        await tasks().wait({ containerId })
        await tasks().delete({ containerId })
        await eventually('the delete is told', 5_000, () => topics.includes('delete'))
      })
      stop.abort()
      await reading
      const wanted = ['create', 'start', 'exec-added', 'exec-started', 'exit', 'paused', 'resumed', 'exit', 'delete']
      assert.deepEqual(topics, wanted)
    })
  })
