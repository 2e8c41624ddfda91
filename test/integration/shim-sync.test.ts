// berth-shim and processes that come to be in two stages: who is the process, who answers at its sync points, and what is left when somebody dies.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { Failure, isFailure } from '../../src/base/failure.ts'
import { type ProcessPlan, type Step, SYNC } from '../../src/linux/steps.ts'
import { connectShim } from '../../src/shim/connect-shim.ts'
import { encodeShimPlan } from '../../src/shim/encode-plan.ts'
import { encodeFrame, encodeState, encodeText, FRAME, type Frame, FrameDecoder } from '../../src/shim/frames.ts'
import { type OnSync, type ShimSettings, StepFailure, type SyncRequest } from '../../src/shim/shim.ts'
import { spawnShimWith } from '../../src/shim/spawn-shim.ts'
import { Bench, exitOf, isAlive, readLog, SHIM_PROGRAM, until, within } from './shim-bench.ts'

const CLONE_NEWUSER = 0x10000000
const SIGKILL = 9
const ECHILD = 10
const ECANCELED = 125

const bench = new Bench()
test.after(async () => bench[Symbol.asyncDispose]())

function sh(script: string): string[] {
  return ['sh', '-c', script]
}

const atIdentity: Step = { op: 'sync', point: SYNC.identity }

/** The plan of the bench with its namespaces made by a second stage, a user namespace among them. */
function twoStages(settings: ShimSettings, script: string, terminal = false): ProcessPlan {
  const { cloneFlags, steps, ...rest } = bench.plan(settings, sh(script), { terminal })
  const birth: Step[] = [{ op: 'clone', flags: cloneFlags | CLONE_NEWUSER }, atIdentity]
  return { ...rest, cloneFlags: 0, steps: [...birth, ...steps] }
}

function atFirst(settings: ShimSettings, ...first: Step[]): ProcessPlan {
  const plan = bench.plan(settings, sh('exec sleep 1000'))
  return { ...plan, steps: [...first, ...plan.steps] }
}

const writeMaps: OnSync = async ({ pid }) => {
  writeFileSync(`/proc/${pid}/uid_map`, '0 0 1\n')
  writeFileSync(`/proc/${pid}/gid_map`, '0 0 1\n')
  return '{}'
}

function logText(settings: ShimSettings): string {
  return readLog(settings.log?.path ?? '')
    .map((entry) => entry.log)
    .join('')
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

/** Speaks the protocol itself; collects every frame. */
async function rawConnection(settings: ShimSettings): Promise<{ socket: net.Socket; frames: Frame[] }> {
  const socket = net.connect(join(settings.bundle, 'shim.sock'))
  const decoder = new FrameDecoder()
  const frames: Frame[] = []
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => frames.push(...decoder.push(chunk)))
  await within('connection', once(socket, 'connect'))
  return { socket, frames }
}

test('a process that clones itself into a user namespace is the process: pid, output, exit code', async () => {
  const settings = bench.settings()
  const asked: SyncRequest[] = []
  const shim = await bench.spawn(settings, twoStages(settings, 'cat /proc/self/uid_map; echo pid $$; exit 9'), {
    onSync: async (request) => {
      asked.push(request)
      assert.equal(parentOf(request.pid), shimPidOf(settings))
      return await writeMaps(request)
    },
  })
  const pid = shim.processes.get('init')?.pid ?? 0
  assert.deepEqual(asked, [{ process: 'init', point: SYNC.identity, value: 0, pid }])
  await shim.start('init')
  assert.equal((await exitOf(shim, 'init')).code, 9)
  assert.match(logText(settings), /^\s*0\s+0\s+1\npid 1\n$/)
})

function shimPidOf(settings: ShimSettings): number {
  return Number(readFileSync(join(settings.bundle, 'shim.pid'), 'utf8'))
}

test('a copy is signalled, and has a terminal, like any process', async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(settings, twoStages(settings, 'tty; exec sleep 1000', true), { onSync: writeMaps })
  await shim.start('init')
  await until('the terminal', () => logText(settings).includes('/dev/pts/0'))
  await shim.kill('init', SIGKILL)
  assert.equal((await exitOf(shim, 'init')).code, 128 + SIGKILL)
})

test('a copy that ends at once is not taken for the stage that made it', async () => {
  for (let round = 0; round < 30; round++) {
    const settings = bench.settings({ log: undefined })
    // Its next step fails: message and both exits reach the shim in any order.
    const steps: Step[] = [
      { op: 'clone', flags: 0 },
      { op: 'chdir', path: '/nowhere' },
    ]
    const plan: ProcessPlan = { ...bench.plan(settings, sh('true')), cloneFlags: 0, steps }
    await assert.rejects(bench.spawn(settings, plan), new StepFailure(1, 2))
  }
})

test('sync points come one after the other, each with its value, and then the process is created', async () => {
  const settings = bench.settings()
  const points: number[] = []
  const plan = atFirst(settings, atIdentity, { op: 'sync', point: SYNC.runtimeHooks })
  const shim = await bench.spawn(settings, plan, {
    onSync: async ({ point }) => {
      points.push(point)
      return 'x'.repeat(60_000)
    },
  })
  assert.deepEqual(points, [SYNC.identity, SYNC.runtimeHooks])
  await shim.start('init', '{"status":"created"}')
  assert.equal(shim.processes.get('init')?.state, 'running')
})

/** A hook of the container's, after its start. */
function withHook(settings: ShimSettings, script: string): { plan: ProcessPlan; step: number } {
  const plan = bench.plan(settings, sh('cat /tmp/state; exit 3'))
  const step = plan.steps.findIndex(({ op }) => op === 'await-start') + 1
  const hook: Step = { op: 'run-hook', path: '/bin/busybox', argv: sh(script), env: [], timeoutSeconds: 5 }
  return { plan: { ...plan, steps: plan.steps.toSpliced(step, 0, hook) }, step }
}

test('the state given with start is what hooks read', async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(settings, withHook(settings, '/bin/busybox cat >/tmp/state').plan)
  await shim.start('init', '{"status":"created"}')
  assert.equal((await exitOf(shim, 'init')).code, 3)
  assert.equal(logText(settings), '{"status":"created"}')
})

test('a hook that fails is told with what it said', async () => {
  const settings = bench.settings()
  const { plan, step } = withHook(settings, 'echo said; echo complained >&2; exit 5')
  const shim = await bench.spawn(settings, plan)
  const report = { status: 5 << 8, stdout: 'said\n', stderr: 'complained\n' }
  await assert.rejects(shim.start('init', '{}'), new StepFailure(step, ECANCELED, report))
  await exitOf(shim, 'init')

  const early = bench.settings()
  const [hook] = plan.steps.slice(step, step + 1)
  assert.ok(hook)
  const atOnce = { ...plan, steps: [{ ...hook, path: '/bin/sh' }, ...plan.steps] }
  await assert.rejects(bench.spawn(early, atOnce), new StepFailure(0, ECANCELED, report))
})

test('where onSync rejects, its error is why there is no process, and nothing lives on', async () => {
  for (const stages of [1, 2]) {
    const settings = bench.settings()
    let pids: number[] = []
    const reason = new Failure('invalid-argument', 'hook refused')
    const plan = stages === 1 ? atFirst(settings, atIdentity) : twoStages(settings, 'exec sleep 1000')
    const spawned = bench.spawn(settings, plan, {
      onSync: async ({ pid }) => {
        pids = [pid, shimPidOf(settings)]
        throw reason
      },
    })
    await assert.rejects(spawned, (error) => error === reason)
    await until('all gone', () => pids.length === 2 && !pids.some(isAlive))
    assert.equal(existsSync(join(settings.bundle, 'shim.sock')), false)
  }
})

test('a state longer than a request refuses the process in so many words', async () => {
  const settings = bench.settings()
  await assert.rejects(
    bench.spawn(settings, atFirst(settings, atIdentity), { onSync: async () => 'x'.repeat(64 << 10) }),
    (error) => isFailure(error, 'invalid-argument') && /65536 bytes/.test(error.message),
  )
})

test('a process at a sync point of which its spawner knows nothing is given up', async () => {
  const settings = bench.settings()
  await assert.rejects(bench.spawn(settings, atFirst(settings, atIdentity)), (error) =>
    isFailure(error, 'failed-precondition'),
  )
})

test('a process that dies at a sync point is told as one that could not be made', async () => {
  const settings = bench.settings()
  const spawned = bench.spawn(settings, atFirst(settings, atIdentity), {
    onSync: async ({ pid }) => {
      process.kill(pid, 'SIGKILL')
      await until('its end', () => !isAlive(pid))
      return '{}'
    },
  })
  await assert.rejects(spawned, new StepFailure(undefined, ECHILD))
})

test('an exec stops at its sync points too, and giving up on it leaves the container alone', async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(settings, bench.plan(settings, sh('exec sleep 1000')))
  const exec = bench.execPlan(sh('exit 4'))
  const plan = { ...exec, steps: [{ op: 'clone', flags: 0 } as const, atIdentity, ...exec.steps] }
  // While the container is only created: an OCI runtime may be asked for that.
  const refused = shim.add('early', plan, { onSync: () => Promise.reject(new Error('not now')) })
  await assert.rejects(refused, /not now/)
  await shim.start('init')
  const { pid } = await shim.add('later', plan, { onSync: async () => '' })
  assert.equal(shim.processes.get('later')?.pid, pid)
  await shim.start('later')
  assert.equal((await exitOf(shim, 'later')).code, 4)
  await assert.rejects(shim.add('silent', plan), (error) => isFailure(error, 'failed-precondition'))
  assert.equal(shim.processes.get('init')?.state, 'running')
})

test('a new connection is told what waits, and may answer; an answer to nothing is refused', async () => {
  const settings = bench.settings()
  let answer: (state: string) => void = () => undefined
  const spawned = bench.spawn(settings, atFirst(settings, atIdentity), {
    onSync: () =>
      new Promise((done) => {
        answer = done
      }),
  })
  await until('the socket', () => existsSync(join(settings.bundle, 'shim.pid')))
  const { socket, frames } = await rawConnection(settings)
  await until('sync', () => frames.some(({ type }) => type === FRAME.sync))
  const ask = (type: number, number: number, ...parts: Buffer[]): unknown =>
    socket.write(encodeFrame(type, number, encodeText('init'), ...parts))
  ask(FRAME.start, 1)
  ask(FRAME.started, 2)
  ask(FRAME.proceed, 3, Buffer.from([1, 2, 0, 0])) // longer than the frame
  ask(FRAME.proceed, 4) // no state at all
  ask(FRAME.proceed, 5, encodeState(''))
  const shim = await within('spawn', spawned)
  ask(FRAME.proceed, 6, encodeState(''))
  ask(FRAME.start, 7, Buffer.from([9, 0, 0, 0, 1])) // a state longer than the frame
  await until('answers', () => frames.filter(({ request }) => request > 0).length === 7)
  const answers = frames.flatMap(({ type, request, payload }) =>
    request === 0 ? [] : [`${request} ${type === FRAME.error ? payload.readUInt32LE(4) : 'ok'}`],
  )
  assert.deepEqual(answers, ['1 114', '2 22', '3 71', '4 71', '5 ok', '6 114', '7 71'])
  assert.equal(shim.processes.get('init')?.state, 'created')
  answer('{}')
  socket.destroy()
})

/** Spawns a shim from a program of its own, which says who waits at a sync point, and never answers. */
async function spawnElsewhere(
  settings: ShimSettings,
  plan: ProcessPlan,
): Promise<{ spawner: ChildProcess; pid: number }> {
  const script = `
    import { spawnShimWith } from ${JSON.stringify(new URL('../../src/shim/spawn-shim.js', import.meta.url).href)}
    const [program, settings, plan] = process.argv.slice(1)
    const onSync = ({ pid }) => new Promise(() => process.stdout.write(pid + '\\n'))
    setInterval(() => undefined, 1000)
    await spawnShimWith(program)(JSON.parse(settings), JSON.parse(plan), undefined, { onSync })`
  const program = ['--input-type=module', '-e', script, SHIM_PROGRAM, JSON.stringify(settings), JSON.stringify(plan)]
  const cwd = fileURLToPath(new URL('../..', import.meta.url)) // where its modules' packages are found
  const spawner = spawn(process.execPath, program, { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  spawner.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  await until('a process at its sync point', () => text.includes('\n') || spawner.exitCode !== null)
  return { spawner, pid: Number(text) }
}

test('a spawner that dies at a sync point leaves no process, and a shim that goes by itself', async () => {
  const settings = bench.settings({ lingerSeconds: 1 })
  const { spawner, pid } = await spawnElsewhere(settings, twoStages(settings, 'exec sleep 1000'))
  const shimPid = shimPidOf(settings)
  assert.ok(isAlive(pid) && isAlive(shimPid))
  spawner.kill('SIGKILL')
  await until('the process is given up', () => !isAlive(pid))
  await until('the shim is gone', () => !isAlive(shimPid))
  assert.equal(existsSync(join(settings.bundle, 'shim.sock')), false)
})

test('a process at a sync point to which nobody ever comes is given up', async () => {
  const settings = bench.settings({ lingerSeconds: 3 })
  writeFileSync(join(settings.bundle, 'plan'), encodeShimPlan(settings, atFirst(settings, atIdentity)))
  const shim = spawn(SHIM_PROGRAM, ['test/alone', settings.bundle], { stdio: 'ignore' })
  assert.deepEqual(await within('its first exit', once(shim, 'exit')), [0, null])
  await until('the pid file', () => existsSync(join(settings.bundle, 'shim.pid')))
  const pid = shimPidOf(settings)
  const childOf = (): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))
  await until('its process', () => childOf() > 0) // the pid file is there before it
  const child = childOf()
  assert.ok(isAlive(child))
  await until('given up, and gone', () => !isAlive(pid) && !isAlive(child))
})

test('while another connection is there, the loss of the spawner gives nothing up', async () => {
  const settings = bench.settings()
  const { spawner, pid } = await spawnElsewhere(settings, twoStages(settings, 'exec sleep 1000'))
  const { socket, frames } = await rawConnection(settings)
  await until('sync', () => frames.some(({ type }) => type === FRAME.sync))
  spawner.kill('SIGKILL')
  await within('its end', once(spawner, 'exit'))
  assert.ok(isAlive(pid))
  await writeMaps({ process: 'init', point: SYNC.identity, value: 0, pid })
  socket.write(encodeFrame(FRAME.proceed, 1, encodeText('init'), encodeState('{}')))
  await until('created', () => frames.some(({ type, request }) => type === FRAME.process && request === 0))
  const shim = await connectShim(settings.bundle)
  assert.ok(shim)
  bench.keep(shim)
  socket.destroy()
  await shim.start('init')
  assert.equal(isAlive(pid), true)
})

/** A shim brought to a state, and the processes that must not outlive it. */
const STATES: Record<string, (settings: ShimSettings) => Promise<number[]>> = {
  'at a sync point of the first stage': async (settings) => await reachSync(settings, atFirst(settings, atIdentity)),
  'at a sync point of the second stage': async (settings) =>
    await reachSync(settings, twoStages(settings, 'exec sleep 1000')),
  created: async (settings) => {
    const shim = await bench.spawn(settings, bench.plan(settings, sh('exec sleep 1000')))
    return [shim.processes.get('init')?.pid ?? 0]
  },
  'created in a second stage': async (settings) => {
    const shim = await bench.spawn(settings, twoStages(settings, 'exec sleep 1000'), { onSync: writeMaps })
    return [shim.processes.get('init')?.pid ?? 0]
  },
  'running in a second stage, with execs': async (settings) => {
    const shim = await bench.spawn(settings, twoStages(settings, 'exec sleep 1000'), { onSync: writeMaps })
    await shim.start('init')
    const steps: Step[] = [{ op: 'setns-init', kinds: CLONE_NEWUSER }]
    const exec = bench.execPlan(sh('exec sleep 1000'))
    const plan = { ...exec, steps: [...steps, ...exec.steps] }
    const created = await shim.add('created', plan)
    const running = await shim.add('running', plan)
    await shim.start('running')
    return [shim.processes.get('init')?.pid ?? 0, created.pid, running.pid]
  },
}

async function reachSync(settings: ShimSettings, plan: ProcessPlan): Promise<number[]> {
  return await new Promise((reached, failed) => {
    const onSync: OnSync = ({ pid }) => new Promise(() => reached([pid]))
    // Killed, it rejects: that is what is waited for elsewhere.
    spawnShimWith(SHIM_PROGRAM)(settings, plan, undefined, { onSync }).catch(failed)
  })
}

for (const [state, reach] of Object.entries(STATES))
  test(`a shim killed ${state} takes its processes with it`, async () => {
    const settings = bench.settings()
    const pids = await within('that state', reach(settings))
    assert.ok(pids.length > 0 && pids.every(isAlive), String(pids))
    process.kill(shimPidOf(settings), 'SIGKILL')
    await until('nothing lives', () => !pids.some(isAlive))
    assert.equal(await connectShim(settings.bundle), undefined)
  })

test('a created process in a second stage can be killed', async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(settings, twoStages(settings, 'true'), { onSync: writeMaps })
  await shim.kill('init', SIGKILL)
  assert.equal((await exitOf(shim, 'init')).code, 128 + SIGKILL)
})
