// berth-containerd on a disk that is full, or that fails: every call says so in plain words, leaves things as they were, and succeeds when there is room.
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { check } from '../../src/containerd/fsck/check.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { must } from '../harness/command.ts'
import { CrashingContainerd, ignoreMissing, ROOT_LABEL } from '../harness/crashing-containerd.ts'

let world: CrashingContainerd

before(async () => {
  world = new CrashingContainerd()
  for (const directory of [world.root, world.state]) {
    mkdirSync(directory)
    await must(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'disk', directory])
  }
  await world.start()
  await world.fill()
})

after(async () => {
  const { root, state } = world
  await world[Symbol.asyncDispose]().catch(() => {}) // the mounts are still there
  await must(['umount', '-l', root, state])
  rmSync(world.directory, { recursive: true, force: true })
})

function fill(directory: string): () => void {
  const path = join(directory, 'ballast')
  const { bavail, bsize } = statfsSync(directory)
  writeFileSync(path, Buffer.alloc(bavail * bsize))
  return () => rmSync(path)
}

const SMALL = 'a small blob'
const LARGE = Buffer.alloc(4 << 20, 'large')

/** Each call, how it is undone, and on which disk it needs room. */
const CALLS: {
  what: string
  disk: 'root' | 'state'
  prepare?: () => Promise<unknown>
  call: () => Promise<unknown>
  undo: () => Promise<unknown>
}[] = [
  {
    what: 'a blob is written',
    disk: 'root',
    call: () => world.upload(LARGE),
    undo: () => world.client.content.delete({ digest: digestOf(LARGE) }),
  },
  {
    what: 'a small blob is committed',
    disk: 'root',
    call: () => world.upload(SMALL),
    undo: () => world.client.content.delete({ digest: digestOf(SMALL) }),
  },
  {
    what: 'an image is created',
    disk: 'root',
    call: () =>
      world.client.images.create({
        image: { name: 'new', target: { ...world.layer, size: BigInt(world.layer.size) } },
      }),
    undo: () => world.client.images.delete({ name: 'new' }),
  },
  {
    what: 'a snapshot is prepared',
    disk: 'root',
    call: () => world.client.snapshots.prepare({ key: 'new', parent: 'base', labels: ROOT_LABEL }),
    undo: () => world.client.snapshots.remove({ key: 'new' }),
  },
  {
    what: 'a layer is applied',
    disk: 'root',
    prepare: () => world.client.snapshots.prepare({ key: 'new', labels: ROOT_LABEL }),
    call: async () => {
      const { mounts } = await world.client.snapshots.mounts({ key: 'new' })
      await world.client.diff.apply({ diff: { ...world.layer, size: BigInt(world.layer.size) }, mounts })
    },
    undo: () => world.client.snapshots.remove({ key: 'new' }),
  },
  {
    what: 'a container is created',
    disk: 'root',
    call: () => world.createContainer('new'),
    undo: () => world.removeContainer('new'),
  },
  {
    what: 'a lease is created',
    disk: 'root',
    call: () => world.client.leases.create({ id: 'new' }),
    undo: () => world.client.leases.delete({ id: 'new' }),
  },
  {
    what: 'a task is created',
    disk: 'state',
    prepare: () => world.createContainer('new'),
    call: () => world.runTask('new'),
    undo: () => world.removeContainer('new'),
  },
]

for (const { what, disk, prepare, call, undo } of CALLS)
  test(`${what} on a full disk: no space left on device, and nothing half made`, async () => {
    await prepare?.()
    const makeRoom = fill(world[disk])
    try {
      await assert.rejects(call(), /no space left on device/i)
    } finally {
      makeRoom()
    }
    await world.assertSound()
    await call()
    await undo()
    await world.client.content.abort({ ref: `blob-${digestOf(LARGE)}` }).catch(ignoreMissing)
    await world.assertNothingLeft()
  })

/** EIO and EMFILE do not come when they are called: failpoints stand in. */
for (const [errno, place] of [
  ['EIO', 'journal.append'],
  ['EIO', 'ingest.written'],
  ['EMFILE', 'ingest.made'],
  ['EIO', 'content.commit.synced'],
  ['EIO', 'metadata.flush'],
] as const)
  test(`${errno} at ${place}: the call fails, the daemon goes on, and the next one succeeds`, async () => {
    await world.stop('SIGKILL')
    await world.start(`${place}=3*off->2*error(${errno})`)
    const text = `${errno} at ${place}`
    const failures: unknown[] = []
    for (let tries = 0; tries < 8; tries++)
      await world.upload(`${text} ${tries}`).catch((error: unknown) => failures.push(error))
    assert.ok(failures.length > 0 && failures.length < 8, `${failures.length} of 8 failed`)
    assert.match(String(failures[0]), new RegExp(errno))
    for (let tries = 0; tries < 8; tries++) {
      await world.upload(`${text} ${tries}`)
      await world.client.content.delete({ digest: digestOf(`${text} ${tries}`) })
    }
    assert.ok(!world.isDead)
    await world.stop('SIGKILL')
    await world.start()
    await world.assertSound()
    await world.assertNothingLeft()
    assert.deepEqual(await check(world.root, world.state), [])
  })
