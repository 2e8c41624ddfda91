// Many containers by the runtime's command line, one after the other and at once: nothing is left of them.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAlive } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { callRuntime, makeBundle, RUNTIME } from '../harness/runtime.ts'
import { endSoak, listSoakLeavings, makeSoak, type Soak, spread } from '../harness/soak.ts'

const ROUNDS = Number(process.env['SOAK_ROUNDS'] ?? 1000)
const AT_ONCE = 200

let soak: Soak
let state = ''
let bundle = ''

before(async () => {
  soak = makeSoak(await mkdtemp(join(tmpdir(), 'berth-soak-')))
  state = join(soak.directory, 'state')
  bundle = join(soak.directory, 'bundle')
  mkdirSync(state)
  await makeBundle(bundle, (spec) => {
    if (spec.process !== undefined) spec.process.args = ['sleep', soak.mark]
    // Without a path of its own each container's group is named after its id.
    if (spec.linux !== undefined)
      spec.linux.resources = { ...spec.linux.resources, memory: { limit: 64 << 20 }, pids: { limit: 20 } }
  })
})

after(async () => {
  await endSoak(soak)
  await rm(soak.directory, { recursive: true, force: true })
})

const leavings = () => listSoakLeavings(soak, [soak.directory, state, bundle])
const pidOf = (id: string) => Number(readFileSync(join(soak.directory, `${id}.pid`), 'utf8'))

async function createAndStart(id: string): Promise<void> {
  await callRuntime(state, 'create', '--bundle', bundle, '--pid-file', join(soak.directory, `${id}.pid`), id)
  await callRuntime(state, 'start', id)
}

async function killAndDelete(id: string): Promise<void> {
  const pid = pidOf(id)
  await callRuntime(state, 'kill', id, 'KILL')
  await eventually(`${id} has ended`, 10_000, () => !isAlive(pid))
  await callRuntime(state, 'delete', id)
  rmSync(join(soak.directory, `${id}.pid`))
}

test(`${ROUNDS} rounds of create, start, kill and delete leave nothing`, async () => {
  const before = await leavings()
  await spread(0, ROUNDS, async (index) => {
    const id = `${soak.prefix}round-${index}`
    await createAndStart(id)
    const command = () => readFileSync(`/proc/${pidOf(id)}/cmdline`, 'utf8')
    // runc's start does not wait for the exec.
    await eventually(`${id} runs`, 10_000, () => command() === `sleep\0${soak.mark}\0`)
    await killAndDelete(id)
  })
  assert.deepEqual(await leavings(), before)
})

test(`${AT_ONCE} containers at once, and nothing when they are gone`, async () => {
  const before = await leavings()
  const id = (index: number) => `${soak.prefix}many-${index}`
  await spread(0, AT_ONCE, (index) => createAndStart(id(index)))
  assert.equal((await must([RUNTIME, '--root', state, 'list', '-q'])).split('\n').length, AT_ONCE)
  const namespaces = Array.from({ length: AT_ONCE }, (_, index) => readlinkSync(`/proc/${pidOf(id(index))}/ns/mnt`))
  assert.equal(new Set(namespaces).size, AT_ONCE)
  await spread(0, AT_ONCE, (index) => killAndDelete(id(index)))
  assert.deepEqual(await leavings(), before)
})
