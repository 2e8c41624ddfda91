// What the crash matrix interrupts: for each failpoint a request that comes to it.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FailpointName } from '../../src/containerd/failpoints.ts'
import { WriteAction } from '../../src/gen/services/content_pb.ts'
import { digestOf } from '../../src/oci/digest.ts'
import {
  type CrashingContainerd,
  ignoreExisting,
  ignoreMissing,
  makeHalfBundle,
  ROOT_LABEL,
} from '../harness/crashing-containerd.ts'

export interface Operation {
  /** Acknowledged before the daemon is killed for the first time. */
  prepare?(world: CrashingContainerd): Promise<void>
  /** While no daemon runs. */
  offline?(world: CrashingContainerd): void
  /** Comes to the failpoint; absent where the daemon does by itself. */
  run?(world: CrashingContainerd): Promise<void>
  /** The same again, with success, and then away with it. */
  repeat?(world: CrashingContainerd): Promise<void>
}

const BLOB = 'a blob'
const digest = digestOf(BLOB)
const DESCRIPTOR = { mediaType: 'application/octet-stream', digest, size: BLOB.length }
const LARGE = Buffer.alloc(3 << 20, 'large')

const upload: Operation = {
  run: (world) => world.upload(BLOB),
  async repeat(world) {
    await world.upload(BLOB)
    assert.equal(Number((await world.client.content.info({ digest })).info?.size), BLOB.length)
    await world.client.content.delete({ digest })
  },
}

/** What a lease holds is on the disk when the lease has ended, and not before. */
const uploadUnderLease: Operation = {
  async run(world) {
    await world.client.leases.create({ id: 'new' })
    await world.upload(BLOB, {}, 'new')
    await world.client.images.create({ image: { name: 'new', target: { ...DESCRIPTOR, size: BigInt(BLOB.length) } } })
    await world.client.leases.delete({ id: 'new', sync: true })
  },
  async repeat(world) {
    await world.client.leases.create({ id: 'new' }).catch(ignoreExisting)
    await world.upload(BLOB, {}, 'new')
    await world.client.leases.delete({ id: 'new', sync: true })
    await world.client.images.delete({ name: 'new', sync: true }).catch(ignoreMissing)
  },
}

async function uploadPart(world: CrashingContainerd): Promise<void> {
  async function* requests() {
    yield { action: WriteAction.STAT, ref: 'part' }
    yield { action: WriteAction.WRITE, ref: 'part', data: Buffer.from(BLOB) }
  }
  for await (const _ of world.client.content.write(requests()));
}

const abort: Operation = {
  prepare: uploadPart,
  run: async (world) => void (await world.client.content.abort({ ref: 'part' })),
  repeat: async (world) => void (await world.client.content.abort({ ref: 'part' }).catch(ignoreMissing)),
}

const updateContent: Operation = {
  prepare: (world) => world.upload(BLOB),
  async run({ client }) {
    await client.content.update({ info: { digest, labels: { ...ROOT_LABEL, a: 'b' } } })
  },
  async repeat({ client }) {
    await client.content.update({ info: { digest, labels: { ...ROOT_LABEL, a: 'b' } } })
    assert.equal((await client.content.info({ digest })).info?.labels['a'], 'b')
    await client.content.delete({ digest })
  },
}

const deleteContent = (bytes: string | Buffer): Operation => ({
  prepare: (world) => world.upload(bytes),
  run: async ({ client }) => void (await client.content.delete({ digest: digestOf(bytes) })),
  repeat: async ({ client }) => void (await client.content.delete({ digest: digestOf(bytes) }).catch(ignoreMissing)),
})

const target = (world: CrashingContainerd) => ({ ...world.layer, size: BigInt(world.layer.size) })

const createImage: Operation = {
  run: async (world) => void (await world.client.images.create({ image: { name: 'new', target: target(world) } })),
  async repeat(world) {
    await world.client.images.create({ image: { name: 'new', target: target(world) } }).catch(ignoreExisting)
    await world.client.images.delete({ name: 'new' })
  },
}

const changeImage: Operation = {
  prepare: async (world) => void (await world.client.images.create({ image: { name: 'new', target: target(world) } })),
  async run(world) {
    await world.client.images.update({ image: { name: 'new', target: target(world), labels: { a: 'b' } } })
    await world.client.images.delete({ name: 'new' })
  },
  async repeat({ client }) {
    await client.images.delete({ name: 'new' }).catch(ignoreMissing)
  },
}

const container: Operation = {
  run: (world) => world.createContainer('new'),
  async repeat(world) {
    await world.createContainer('new')
    await world.removeContainer('new')
  },
}

const changeContainer: Operation = {
  prepare: (world) => world.createContainer('new'),
  async run({ client }) {
    await client.containers.update({ container: { id: 'new', labels: { a: 'b' } }, updateMask: { paths: ['labels'] } })
    await client.containers.delete({ id: 'new' })
  },
  repeat: (world) => world.removeContainer('new'),
}

const namespace: Operation = {
  async run({ client }) {
    await client.namespaces.create({ namespace: { name: 'other' } })
    await client.namespaces.update({ namespace: { name: 'other', labels: { a: 'b' } } })
    await client.namespaces.delete({ name: 'other' })
  },
  async repeat({ client }) {
    await client.namespaces.create({ namespace: { name: 'other' } }).catch(ignoreExisting)
    await client.namespaces.delete({ name: 'other' })
  },
}

const lease: Operation = {
  async run({ client }) {
    await client.leases.create({ id: 'new' })
    await client.leases.addResource({ id: 'new', resource: { type: 'content', id: digest } })
    await client.leases.delete({ id: 'new' })
  },
  async repeat({ client }) {
    await client.leases.create({ id: 'new' }).catch(ignoreExisting)
    await client.leases.delete({ id: 'new' })
  },
}

const snapshot: Operation = {
  async run({ client }) {
    await client.snapshots.prepare({ key: 'new', parent: 'base', labels: ROOT_LABEL })
    await client.snapshots.commit({ key: 'new', name: 'new-name', labels: ROOT_LABEL })
    await client.snapshots.remove({ key: 'new-name' })
  },
  async repeat({ client }) {
    for (const key of ['new', 'new-name']) await client.snapshots.remove({ key }).catch(ignoreMissing)
    await this.run!({ client } as CrashingContainerd)
  },
}

const apply: Operation = {
  async run({ client, layer }) {
    const { mounts } = await client.snapshots.prepare({ key: 'new', parent: 'base', labels: ROOT_LABEL })
    await client.diff.apply({ diff: { ...layer, size: BigInt(layer.size) }, mounts })
  },
  async repeat(world) {
    await world.client.snapshots.remove({ key: 'new' }).catch(ignoreMissing)
    await this.run!(world)
    await world.client.snapshots.remove({ key: 'new' })
  },
}

const task = (program?: string): Operation => ({
  prepare: (world) => world.createContainer('new', program === undefined ? {} : { program }),
  run: (world) => world.runTask('new'),
  async repeat(world) {
    await world.removeTask('new')
    await world.runTask('new')
    await world.removeContainer('new')
  },
})

const deleteTask: Operation = {
  async prepare(world) {
    await world.createContainer('new', { args: ['/bin/busybox', 'true'] })
    await world.runTask('new')
    await world.client.tasks.wait({ containerId: 'new' })
  },
  run: async ({ client }) => void (await client.tasks.delete({ containerId: 'new' })),
  repeat: (world) => world.removeContainer('new'),
}

const exec: Operation = {
  run: async (world) => void (await world.exec('new')),
  repeat: async (world) => assert.equal(await world.exec('new'), 0),
}

const nothing: Operation = {}

let shim = 0
const adoptDead: Operation = {
  async prepare(world) {
    await world.createContainer('new')
    await world.runTask('new')
    shim = await world.shimOf('new')
  },
  offline: () => void process.kill(shim, 'SIGKILL'),
  repeat: (world) => world.removeContainer('new'),
}

const collect: Operation = {
  async prepare(world) {
    await world.client.leases.create({ id: 'garbage' })
    await world.upload(BLOB, {}, 'garbage')
    await world.client.withLease('garbage').snapshots.prepare({ key: 'garbage', parent: 'base' })
  },
  run: async ({ client }) => void (await client.leases.delete({ id: 'garbage', sync: true })),
  repeat: async ({ client }) => void (await client.leases.delete({ id: 'garbage', sync: true }).catch(ignoreMissing)),
}

const sweep: Operation = {
  offline(world) {
    mkdirSync(join(world.root, 'content/ingest/torn'))
    writeFileSync(join(world.root, 'content/blobs/sha256', 'f'.repeat(64)), 'renamed, without a record')
  },
  run: (world) => world.collect(),
}

const OPERATIONS: Record<string, { operation: Operation; names: FailpointName[] }> = {
  start: {
    operation: nothing,
    names: ['lock.taken', 'lock.pid-written', 'metadata.opened', 'metadata.replayed', 'adopt.begun', 'adopt.adopted'],
  },
  journal: {
    operation: upload,
    names: [
      'journal.append',
      'journal.appended',
      'journal.rotated',
      'journal.dropped',
      'metadata.flush',
      'metadata.committed',
    ],
  },
  upload: {
    operation: upload,
    names: [
      'ingest.made',
      'ingest.recorded',
      'ingest.opened',
      'ingest.written',
      'content.commit.verified',
      'content.commit.synced',
      'content.commit.renamed',
      'content.commit.directory-synced',
      'content.commit.ingest-removed',
      'content.commit.recorded',
    ],
  },
  'upload under a lease': { operation: uploadUnderLease, names: ['content.synced-later'] },
  abort: { operation: abort, names: ['ingest.aborted'] },
  label: { operation: updateContent, names: ['content.updated'] },
  delete: { operation: deleteContent(BLOB), names: ['content.delete.record-removed', 'content.delete.removed'] },
  'delete large': { operation: deleteContent(LARGE), names: ['content.delete.renamed'] },
  'create image': { operation: createImage, names: ['image.created'] },
  'change image': { operation: changeImage, names: ['image.updated', 'image.deleted'] },
  container: { operation: container, names: ['container.created'] },
  'change container': { operation: changeContainer, names: ['container.updated', 'container.deleted'] },
  namespace: { operation: namespace, names: ['namespace.created', 'namespace.updated', 'namespace.deleted'] },
  lease: { operation: lease, names: ['lease.created', 'lease.resource-added', 'lease.deleted'] },
  snapshot: {
    operation: snapshot,
    names: [
      'snapshot.directory-made',
      'snapshot.fs-made',
      'snapshot.work-made',
      'snapshot.info-written',
      'snapshot.recorded',
      'snapshot.committed',
      'snapshot.record-removed',
      'snapshot.renamed',
      'snapshot.removed',
    ],
  },
  apply: { operation: apply, names: ['apply.started', 'apply.chunk', 'apply.finished', 'apply.answered'] },
  task: {
    operation: task(),
    names: [
      'task.bundle-made',
      'task.record-written',
      'task.stdio-opened',
      'task.cgroup-made',
      'task.rootfs-opened',
      'task.shim-spawned',
      'task.created',
      'task.started',
    ],
  },
  'task by command': {
    operation: task('runc'),
    names: ['task.command.config-written', 'task.command.mounted', 'task.command.created'],
  },
  exec: {
    operation: exec,
    names: ['exec.recorded', 'exec.made', 'exec.started', 'exec.delete.removed', 'exec.delete.recorded'],
  },
  'delete task': {
    operation: deleteTask,
    names: [
      'task.delete.begun',
      'task.delete.shim-gone',
      'task.delete.cgroup-removed',
      'task.delete.unmounted',
      'task.delete.bundle-removed',
    ],
  },
  'dead shim': { operation: adoptDead, names: ['adopt.settled'] },
  'half a bundle': { operation: { offline: (world) => makeHalfBundle(world.state) }, names: ['adopt.bundle-removed'] },
  collect: { operation: collect, names: ['gc.marked', 'gc.content-removed', 'gc.snapshot-removed'] },
  sweep: { operation: sweep, names: ['gc.swept-ingest', 'gc.swept-blob'] },
}

export const MATRIX: readonly { title: string; name: FailpointName; operation: Operation }[] = Object.entries(
  OPERATIONS,
).flatMap(([title, { operation, names }]) => names.map((name) => ({ title, name, operation })))
