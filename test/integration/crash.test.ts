// kill -9 of the daemons: containers run on, output flows, nothing is lost, and everything works on them afterwards.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isAlive } from '../harness/berth.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string
const ROUNDS = 20

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

/** The engine again, after one or both daemons were killed: it answers, and so does its containerd. */
async function recover(): Promise<void> {
  if (!isAlive(engine.enginePid())) await engine.start()
  await eventually('the engine lists containers', 10_000, async () => (await engine.docker(['ps', '-a'])).code === 0)
  await eventually('containerd is there', 10_000, () => isAlive(engine.containerdPid()))
}

test(`${ROUNDS} rounds of kill -9 of a random daemon lose, double and block no line`, async (t) => {
  const id = await engine.ok(
    'run',
    '-d',
    image,
    'sh',
    '-c',
    'i=0; while [ ! -e /stop ]; do i=$((i+1)); echo $i; usleep 1000; done; echo end',
  )
  const seed = Number(process.env['CRASH_SEED'] ?? Date.now() % 100_000)
  t.diagnostic(`seed ${seed}`)
  let state = seed
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
  const lastLine = async () => Number((await engine.ok('logs', '--tail', '1', id)).trim())
  for (let round = 0; round < ROUNDS; round++) {
    const before = await lastLine()
    if (random() < 0.5) await engine.killEngine()
    else await engine.killContainerd()
    await recover()
    await eventually('it prints on', 5000, async () => (await lastLine()) > before)
  }
  await eventually('exec works', 10_000, async () => (await engine.docker(['exec', id, 'touch', '/stop'])).code === 0)
  assert.equal(await engine.ok('wait', id), '0')
  const lines = (await engine.docker(['logs', id])).stdout.trim().split('\n')
  assert.equal(lines.pop(), 'end')
  assert.ok(lines.length > ROUNDS, `${lines.length} lines`)
  for (const [index, line] of lines.entries()) assert.equal(line, String(index + 1))
  await engine.ok('rm', id)
})

test('after both daemons died ps, logs, attach, exec, stop and wait work on a container from before', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    '-i',
    '--name',
    'survivor',
    image,
    'sh',
    '-c',
    'echo first; trap "exit 9" TERM; while read line; do echo "got $line"; done; while :; do sleep 0.1; done',
  )
  const { Pid } = (JSON.parse(await engine.ok('inspect', id)) as [{ State: { Pid: number } }])[0].State
  await engine.killContainerd()
  await engine.killEngine()
  assert.ok(isAlive(Pid))
  await recover()
  assert.match(await engine.ok('ps'), /Up .*survivor/)
  assert.equal(await engine.ok('logs', id), 'first')
  const attached = await engine
    .docker(['attach', '--sig-proxy=false', id], { input: 'hello\n', timeoutMs: 10_000 })
    .catch(() => undefined)
  void attached
  await eventually('the line arrived', 5000, async () => (await engine.ok('logs', id)).includes('got hello'))
  assert.equal(await engine.ok('exec', id, 'echo', 'hi'), 'hi')
  const waiting = engine.ok('wait', id)
  await engine.ok('stop', id)
  assert.equal(await waiting, '9')
  await engine.ok('rm', id)
})

test('an exit while no daemon was there is known afterwards, with its code', async () => {
  const id = await engine.ok('run', '-d', image, 'sh', '-c', 'sleep 0.5; echo last words; exit 17')
  const doomed = await engine.ok('run', '-d', '--rm', image, 'sh', '-c', 'sleep 0.5')
  const { Pid } = (JSON.parse(await engine.ok('inspect', id)) as [{ State: { Pid: number } }])[0].State
  await engine.killEngine()
  await engine.killContainerd()
  await eventually('it has ended', 5000, () => !isAlive(Pid))
  await recover()
  await eventually(
    'the exit is known',
    5000,
    async () => (await engine.ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', id)) === 'exited 17',
  )
  assert.equal(await engine.ok('logs', id), 'last words')
  await eventually('--rm was honoured', 5000, async () => (await engine.docker(['inspect', doomed])).code === 1)
  await engine.ok('rm', id)
})

test('a shim that is killed takes its container with it, and the engine says so', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  const { Pid } = (JSON.parse(await engine.ok('inspect', id)) as [{ State: { Pid: number } }])[0].State
  const shim = Number(
    (await engine.ok('inspect', '-f', '{{.State.Pid}}', id)) &&
      (await import('node:fs')).readFileSync(`/proc/${Pid}/stat`, 'utf8').split(' ')[3],
  )
  process.kill(shim, 'SIGKILL')
  assert.equal(await engine.ok('wait', id), '137')
  await eventually('the process is gone', 5000, () => !isAlive(Pid))
  await engine.ok('rm', id)
})
