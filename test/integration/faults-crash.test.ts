// kill -9 of either daemon in the middle of pull, create, start and rm: afterwards the records are true, names are free, nothing is left.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isAlive } from '../harness/berth.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { type CommandResult, eventually } from '../harness/command.ts'
import { listLeavings, makeInitLayer, nothingBut, nothingButKept } from '../harness/leavings.ts'

let engine: BusyboxEngine
let image: string
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 4)
const DELAY_MS_MAX = 60

before(async () => {
  engine = await startBusyboxEngine({ cgroups: 'own' })
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

async function recover(): Promise<void> {
  if (!isAlive(engine.enginePid())) await engine.start()
  await eventually('the engine lists containers', 10_000, async () => (await engine.docker(['ps', '-a'])).code === 0)
  await eventually('containerd is there', 10_000, () => isAlive(engine.containerdPid()))
}

/** A command that a crash comes into after a while; how it ended is its own business. */
async function interrupted(who: string, delayMs: number, ...command: string[]): Promise<CommandResult> {
  const running = engine.docker(command, { timeoutMs: 20_000 })
  running.catch(() => {}) // awaited below
  await new Promise((resolve) => setTimeout(resolve, delayMs))
  if (who === 'engine') await engine.killEngine()
  else await engine.killContainerd()
  await recover()
  return await running
}

/** Between the start of the command and its usual end, evenly: nothing random that could not be repeated. */
function delays(maxMs: number): number[] {
  return Array.from({ length: ROUNDS }, (_, round) => 1 + (round * (maxMs - 1)) / (ROUNDS - 1))
}

async function removeAll(name: string): Promise<void> {
  await engine.docker(['rm', '-f', '-v', name])
  assert.equal(await engine.ok('ps', '-aq'), '')
}

for (const who of ['engine', 'containerd'] as const) {
  test(`kill -9 of ${who} in the middle of create, start and run`, async () => {
    await makeInitLayer(engine, image)
    const rest = await listLeavings(engine)
    for (const delayMs of delays(DELAY_MS_MAX)) {
      await interrupted(who, delayMs, 'create', '--name', 'crashed', '-v', '/anonymous', image, 'sleep', '1000')
      await consistent('crashed', ['created'])
      await removeAll('crashed')
      await nothingBut(rest, engine)

      await engine.ok('create', '--name', 'crashed', '-p', '0:80', image, 'sleep', '1000')
      await interrupted(who, delayMs, 'start', 'crashed')
      await consistent('crashed', ['created', 'running', 'exited'])
      if ((await engine.ok('inspect', '-f', '{{.State.Status}}', 'crashed')) !== 'running')
        await engine.ok('start', 'crashed')
      assert.equal(await engine.ok('exec', 'crashed', 'echo', 'works'), 'works')
      await removeAll('crashed')
      await nothingBut(rest, engine)
    }
  })

  test(`kill -9 of ${who} in the middle of run --rm and rm -f`, async () => {
    await makeInitLayer(engine, image)
    const rest = await listLeavings(engine)
    for (const delayMs of delays(DELAY_MS_MAX * 1.5)) {
      await interrupted(who, delayMs, 'run', '--rm', '--name', 'crashed', '-p', '0:80', image, 'true')
      await eventually('--rm holds or nothing came of it', 5000, async () => {
        const status = await engine.docker(['inspect', '-f', '{{.State.Status}}', 'crashed'])
        return status.code !== 0 || status.stdout.trim() === 'created'
      })
      await removeAll('crashed')
      await nothingBut(rest, engine)

      await engine.ok('run', '-d', '--name', 'crashed', '-p', '0:80', '-v', '/anonymous', image, 'sleep', '1000')
      await interrupted(who, delayMs, 'rm', '-f', '-v', 'crashed')
      await removeAll('crashed')
      await nothingBut(rest, engine)
    }
  })

  test(`kill -9 of ${who} in the middle of a pull`, async () => {
    await engine.ok('rmi', image)
    await eventually(
      'the image is gone',
      5000,
      async () => !(await listLeavings(engine)).some((line) => /^(blob|snapshot) /.test(line)),
    )
    const rest = await listLeavings(engine)
    for (const delayMs of delays(DELAY_MS_MAX * 2)) {
      await interrupted(who, delayMs, 'pull', '-q', image)
      if ((await engine.ok('images', '-q')) === '') await nothingButKept(rest, engine)
      await engine.ok('pull', '-q', image)
      assert.equal(await engine.ok('run', '--rm', image, 'echo', 'whole'), 'whole')
      await engine.ok('rmi', image)
      await nothingBut(rest, engine)
    }
    await engine.ok('pull', '-q', image)
  })
}

/** `ps` and `inspect` agree (they are asked one after the other), the state is one of these, and a name that is listed is one that can be used. */
async function consistent(name: string, states: readonly string[]): Promise<void> {
  await eventually('ps and inspect agree', 5000, async () => {
    const listed = await engine.ok('ps', '-a', '--format', '{{.Names}} {{.State}}')
    if (listed === '') return true
    const [found, state = ''] = listed.split(' ')
    assert.equal(found, name)
    assert.ok(states.includes(state), `${state} is not one of ${states.join(', ')}`)
    return (await engine.ok('inspect', '-f', '{{.State.Status}}', name)) === state
  })
}
