// Power loss at any moment: what berth-containerd has asked of the disk is recorded, and it is started on states that the disk may have been left in.
// test/harness/power-loss.ts says what is taken for granted of the disk. POWER_LOSS_SEED shows a failure again, POWER_LOSS_STATES tries more.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import {
  type ContainerdClient,
  connectContainerd,
  embedContainerd,
  waitForContainerd,
} from '../../src/containerd/client/client.ts'
import { openContentSink } from '../../src/containerd/client/content-writer.ts'
import { check } from '../../src/containerd/fsck/check.ts'
import { FINDING_CODES } from '../../src/containerd/fsck/finding.ts'
import { openContainerd } from '../../src/containerd/open-containerd.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { Random } from '../fuzz/mutate.ts'
import { Disk, type DiskEvent, type DiskImage, type Order } from '../harness/power-loss.ts'
import { readStrace, TRACED } from '../harness/read-strace.ts'
import { BIN } from '../harness/root.ts'

const STATES = Number(process.env['POWER_LOSS_STATES'] ?? 40)
const SEED = Number(process.env['POWER_LOSS_SEED'] ?? Date.now() % 1e6)
const ROOT_LABEL = { 'containerd.io/gc.root': 'test' }

/** What was promised, when; true: it is there from then on, false: it is not. */
interface Promised {
  kind: 'blob' | 'image'
  name: string
  isThere: boolean
  atMs: number
}

const directory = mkdtempSync(join(tmpdir(), 'power-loss-'))
const promises: Promised[] = []
let events: DiskEvent[]

const nowMs = () => performance.timeOrigin + performance.now()
const textOf = (name: string) => `blob ${name} `.repeat(300)

before(async () => {
  const root = join(directory, 'root')
  mkdirSync(join(directory, 'trace'))
  const daemon = spawn(
    'strace',
    [
      '-f',
      '-ff',
      '-ttt',
      '-T',
      '-y',
      '-xx',
      '-s',
      '1000000',
      '-e',
      `trace=${TRACED}`,
      '-o',
      join(directory, 'trace/t'),
      join(BIN, 'berth-containerd'),
      '--root',
      root,
      '--state',
      join(directory, 'state'),
      '--address',
      join(directory, 's'),
    ],
    { stdio: 'ignore' },
  )
  const client = connectContainerd({ address: join(directory, 's'), namespace: 'a' })
  await waitForContainerd(client, 60_000)
  await work(client)
  client.close()
  await kill(daemon, Number(readFileSync(join(root, 'lock'), 'utf8')))
  events = readStrace(join(directory, 'trace'), root)
})

after(() => rmSync(directory, { recursive: true, force: true }))

/** The daemon alone: strace then ends with it, its files written. */
async function kill(strace: ChildProcess, pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL')
  await once(strace, 'exit')
}

/** Makes and removes blobs, images, snapshots, leases, containers' records. */
async function work(client: ContainerdClient): Promise<void> {
  const promise = (kind: Promised['kind'], name: string, isThere: boolean) =>
    promises.push({ kind, name, isThere, atMs: nowMs() })
  const { snapshots, images, content, leases } = client
  for (const name of ['1', '2', '3', '4']) {
    const text = textOf(name)
    const descriptor = { mediaType: 'text/plain', digest: digestOf(text), size: text.length }
    async function* source() {
      yield Buffer.from(text)
    }
    await openContentSink(client, { labelsOf: () => ROOT_LABEL }).write(
      descriptor,
      source(),
      AbortSignal.timeout(20_000),
    )
    promise('blob', name, true)
    await images.create({ image: { name, target: { ...descriptor, size: BigInt(text.length) } } })
    promise('image', name, true)
    await snapshots.prepare({
      key: `key${name}`,
      parent: name === '1' ? '' : `layer${Number(name) - 1}`,
      labels: ROOT_LABEL,
    })
    await snapshots.commit({ key: `key${name}`, name: `layer${name}`, labels: ROOT_LABEL })
    await leases.create({ id: `lease${name}` })
    if (name === '3') {
      await images.delete({ name: '1' })
      promise('image', '1', false)
      await content.delete({ digest: digestOf(textOf('1')) })
      promise('blob', '1', false)
      await leases.delete({ id: 'lease1', sync: true })
    }
  }
  // Under a lease nothing is promised before the lease ends, or something is done without it.
  for (const name of ['5', '6', '7', '8', '9']) {
    const text = textOf(name)
    const descriptor = { mediaType: 'text/plain', digest: digestOf(text), size: text.length }
    await leases.create({ id: `for ${name}` })
    const held = client.withLease(`for ${name}`)
    async function* source() {
      yield Buffer.from(text)
    }
    await openContentSink(held).write(descriptor, source(), AbortSignal.timeout(20_000))
    await held.content.update({
      info: { digest: descriptor.digest, labels: ROOT_LABEL },
      updateMask: { paths: ['labels.containerd.io/gc.root'] },
    })
    const maker = name === '5' || name === '7' ? client : held
    await maker.images.create({ image: { name, target: { ...descriptor, size: BigInt(text.length) } } })
    if (maker === client) promise('blob', name, true)
    if (maker === client) promise('image', name, true)
    if (name === '8') await new Promise((resolve) => setTimeout(resolve, 1500)) // it is written back by itself
    if (name === '9') continue
    await leases.delete({ id: `for ${name}`, sync: true })
    promise('blob', name, true)
    promise('image', name, true)
  }
  await snapshots.remove({ key: 'layer4' })
  await images.update({ image: { name: '4', labels: { a: 'b' } }, updateMask: { paths: ['labels'] } })
}

for (const order of ['journaled', 'loose'] as const satisfies Order[])
  test(`${order}: after power loss at any moment it starts, nothing is damaged, and what was promised is there`, async () => {
    assert.ok(
      events.filter(({ kind }) => kind === 'sync').length > 20 &&
        events.some((event) => event.kind === 'write' && event.isSync),
      'the recording is whole',
    )
    for (let state = 0; state < STATES; state++) {
      const seed = SEED + state
      const random = new Random(seed)
      const count = random.below(events.length + 1)
      const disk = new Disk(order)
      for (const event of events.slice(0, count)) disk.apply(event)
      const promised = promisedBefore(count)
      try {
        await startOn(
          disk.image(() => random.below(1 << 20) / (1 << 20)),
          promised,
        )
      } catch (error) {
        throw new Error(
          `POWER_LOSS_SEED=${seed} POWER_LOSS_STATES=1, after ${count} of ${events.length} changes: ${String(error)}`,
          { cause: error },
        )
      }
    }
  })

/** What was promised before the first change that did not happen any more began, and not taken back by one that may have happened. */
function promisedBefore(count: number): Promised[] {
  const endMs = events[count]?.startMs ?? Number.POSITIVE_INFINITY
  const last = new Map<string, Promised>()
  for (const promise of promises) {
    const key = `${promise.kind} ${promise.name}`
    if (promise.atMs <= endMs) last.set(key, promise)
    else if (last.has(key)) last.delete(key)
  }
  return [...last.values()]
}

async function startOn(image: DiskImage, promised: readonly Promised[]): Promise<void> {
  const root = join(directory, 'after')
  const state = join(directory, 'after-state')
  writeImage(root, image)
  await using containerd = await openContainerd({ root, state, log: silentLog, openTasks: undefined })
  const client = embedContainerd(containerd.router, 'a')
  for (const { kind, name, isThere } of promised) {
    const found =
      kind === 'blob'
        ? await readBlob(client, name)
        : await client.images
            .get({ name })
            .then(() => textOf(name))
            .catch(() => undefined)
    assert.equal(found, isThere ? textOf(name) : undefined, `${kind} ${name}`)
  }
  await client.leases.create({ id: 'collect' })
  await client.leases.delete({ id: 'collect', sync: true })
  // A snapshot is not promised to survive, and one below another may be lost.
  const damage = (await check(root, state)).filter(
    ({ code }) => FINDING_CODES[code] === 'damage' && code !== 'snapshot-parent-missing',
  )
  assert.deepEqual(damage, [])
}

async function readBlob(client: ContainerdClient, name: string): Promise<string | undefined> {
  const parts: Uint8Array[] = []
  try {
    for await (const { data } of client.content.read({ digest: digestOf(textOf(name)) })) parts.push(data)
    return Buffer.concat(parts).toString()
  } catch {
    return undefined
  }
}

function writeImage(root: string, image: DiskImage): void {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
  for (const [path, data] of image) {
    if (data === undefined) mkdirSync(join(root, path))
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), data)
    }
  }
}
