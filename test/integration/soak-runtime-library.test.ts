// Many containers through containerd in this process, and many execs in one of them: nothing is left, and neither daemon nor shim grows.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { silentLog } from '../../src/base/log.ts'
import { PROCESS_SPEC_TYPE, RUNTIME_SPEC_TYPE } from '../../src/containerd/client/any.ts'
import { type ContainerdClient, embedContainerd } from '../../src/containerd/client/client.ts'
import { type Containerd, openContainerd } from '../../src/containerd/open-containerd.ts'
import { openTasks } from '../../src/containerd/open-tasks.ts'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { BIN } from '../harness/root.ts'
import { makeBundle } from '../harness/runtime.ts'
import { endSoak, listSoakLeavings, makeSoak, type Soak, spread } from '../harness/soak.ts'

const ROUNDS = Number(process.env['SOAK_ROUNDS'] ?? 1000)
/** Before anything is measured: code that is compiled late, pools that reach their working size. */
const WARM_UP = 1000
/** A leak of so much a round is found. */
const LEAK_BYTES = 1024
const SIGKILL = 9

let soak: Soak
let state = ''
let bundle = ''
let spec: RuntimeSpec
let containerd: Containerd
let client: ContainerdClient

before(async () => {
  soak = makeSoak(await mkdtemp(join(tmpdir(), 'berth-soak-')))
  state = join(soak.directory, 'state')
  bundle = join(soak.directory, 'bundle')
  spec = await makeBundle(bundle, (made) => {
    if (made.process !== undefined) made.process.args = ['sleep', soak.mark]
    made.root = { path: join(bundle, 'rootfs'), readonly: true }
  })
  containerd = await openContainerd({
    root: join(soak.directory, 'root'),
    state,
    log: silentLog,
    openTasks: (deps) => openTasks({ ...deps, shimPath: join(BIN, 'berth-shim') }),
  })
  client = embedContainerd(containerd.router, 'soak')
})

after(async () => {
  client.close()
  await containerd.close()
  await endSoak(soak)
  await rm(soak.directory, { recursive: true, force: true })
})

const leavings = () =>
  listSoakLeavings(soak, [soak.directory, bundle, state, join(state, 'tasks'), join(state, 'tasks/soak')])

async function createTask(id: string): Promise<void> {
  const value = Buffer.from(JSON.stringify({ ...spec, linux: { ...spec.linux, cgroupsPath: `/${id}` } }))
  const runtime = { name: 'io.containerd.runc.v2' }
  await client.containers.create({ container: { id, runtime, spec: { typeUrl: RUNTIME_SPEC_TYPE, value } } })
  await client.tasks.create({ containerId: id })
  await client.tasks.start({ containerId: id })
}

async function endTask(id: string): Promise<void> {
  const ended = client.tasks.wait({ containerId: id })
  await client.tasks.kill({ containerId: id, signal: SIGKILL })
  assert.equal((await ended).exitStatus, 128 + SIGKILL)
  await client.tasks.delete({ containerId: id })
  await client.containers.delete({ id })
}

async function execTrue(id: string, execId: string): Promise<void> {
  const process = { ...spec.process, args: ['true'] }
  const value = Buffer.from(JSON.stringify(process))
  await client.tasks.exec({ containerId: id, execId, spec: { typeUrl: PROCESS_SPEC_TYPE, value } })
  const ended = client.tasks.wait({ containerId: id, execId })
  await client.tasks.start({ containerId: id, execId })
  assert.equal((await ended).exitStatus, 0)
  await client.tasks.deleteProcess({ containerId: id, execId })
}

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

/** What is reachable of the heap, and of buffers outside of it, once timers have run out and finalizers have been called. */
async function reachableBytes(): Promise<number> {
  for (const restMs of [1000, 50, 0]) {
    await sleep(restMs)
    assert.ok(typeof collectGarbage === 'function')
    collectGarbage()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const openFiles = () => readdirSync('/proc/self/fd').length
const residentBytes = async (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024

/** Runs all rounds; no `measure` may have grown by a leak's worth of them. */
async function assertSteady(
  t: TestContext,
  measures: Record<string, () => Promise<number>>,
  round: (index: number) => Promise<void>,
): Promise<void> {
  const measureAll = async () => {
    const sizes = new Map<string, number>()
    for (const [name, measure] of Object.entries(measures)) sizes.set(name, await measure())
    return sizes
  }
  await spread(0, WARM_UP, round)
  const [before, files] = [await measureAll(), openFiles()]
  await spread(WARM_UP, WARM_UP + ROUNDS, round)
  for (const [name, bytes] of await measureAll()) {
    const grown = bytes - (before.get(name) ?? 0)
    t.diagnostic(`${name}: ${(bytes / 1024).toFixed(0)} KiB, grown by ${grown} bytes in ${ROUNDS} rounds`)
    assert.ok(grown < ROUNDS * LEAK_BYTES, `${name} has grown by ${grown} bytes in ${ROUNDS} rounds`)
  }
  assert.equal(openFiles(), files)
}

test(`${ROUNDS} containers through containerd leave nothing, and it does not grow`, async (t) => {
  await createTask(`${soak.prefix}zero`)
  await endTask(`${soak.prefix}zero`)
  const before = await leavings()
  await assertSteady(t, { containerd: reachableBytes }, async (index) => {
    const id = `${soak.prefix}${index}`
    await createTask(id)
    await endTask(id)
  })
  assert.deepEqual(await leavings(), before)
})

test(`${ROUNDS} execs in a container leave nothing, and neither its shim nor containerd grows`, async (t) => {
  const id = `${soak.prefix}entered`
  await createTask(id)
  const shim = Number(readFileSync(join(state, 'tasks/soak', id, 'shim.pid'), 'utf8'))
  const before = [...(await leavings()), ...readdirSync(`/proc/${shim}/fd`)]
  await assertSteady(t, { containerd: reachableBytes, shim: () => residentBytes(shim) }, (index) =>
    execTrue(id, `e-${index}`),
  )
  assert.deepEqual([...(await leavings()), ...readdirSync(`/proc/${shim}/fd`)], before)
  await endTask(id)
})
