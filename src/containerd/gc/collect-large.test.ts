// A large store is collected while others are served.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { silentLog } from '../../base/log.ts'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { digestOf } from '../../oci/digest.ts'
import { embedContainerd } from '../client/client.ts'
import { messageCodec } from '../metadata/codec.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { openContainerd } from '../open-containerd.ts'

/** GC_BLOBS=10000 for a measurement. */
const BLOBS = Number(process.env['GC_BLOBS'] ?? 2_000)
const SNAPSHOTS = BLOBS / 5

/** Nobody's blobs and snapshots, but for one chain of ten that a lease holds. */
async function makeStore(root: string): Promise<void> {
  const metadata = await MetadataStore.open(root)
  const infos = metadata.bucket('content', messageCodec(InfoSchema))
  const snapshots = metadata.bucket<object>('snapshots')
  metadata.transaction(() => {
    for (let index = 0; index < BLOBS; index++) {
      const digest = digestOf(`${index}`)
      writeFileSync(join(root, 'content/blobs/sha256', digest.slice(7)), `${index}`)
      infos.put(`a/${digest}`, create(InfoSchema, { digest, size: 1n }))
    }
    for (let id = 1; id <= SNAPSHOTS; id++) {
      const parent = id % 10 === 1 ? '' : `s${id - 1}`
      snapshots.put(`a/s${id}`, { id, kind: 'committed', parent, createdAtMs: 0, updatedAtMs: 0, labels: {} })
    }
  })
  await metadata.close()
}

test('a collection of thousands of things lets a caller have his turn, again and again', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'collect-large-'))
  t.after(() => rmSync(root, { recursive: true }))
  const options = { root, state: join(root, 'state'), log: silentLog, openTasks: undefined }
  await (await openContainerd(options)).close()
  await makeStore(root)
  for (let id = 1; id <= SNAPSHOTS; id++)
    mkdirSync(join(root, 'overlayfs/snapshots', String(id), 'fs'), { recursive: true })
  await using containerd = await openContainerd(options)
  const client = embedContainerd(containerd.router, 'a')
  await client.namespaces.create({ namespace: { name: 'a' } })
  await client.leases.create({ id: 'l' })
  await client.leases.addResource({ id: 'l', resource: { type: 'snapshots/overlayfs', id: 's10' } })
  let isDone = false
  await client.leases.create({ id: 'gone' })
  const collecting = client.leases.delete({ id: 'gone', sync: true }).then(() => {
    isDone = true
  })
  const gapsMs: number[] = []
  while (!isDone) {
    const startedMs = performance.now()
    await client.version.version({})
    await new Promise((resolve) => setImmediate(resolve))
    gapsMs.push(performance.now() - startedMs)
  }
  await collecting
  gapsMs.sort((a, b) => a - b)
  const at = (share: number) => gapsMs[Math.floor(share * (gapsMs.length - 1))]!.toFixed(1)
  t.diagnostic(`${gapsMs.length} calls; median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`)
  assert.ok(gapsMs.length >= 50, `${gapsMs.length} calls were answered`)
  assert.deepEqual(readdirSync(join(root, 'content/blobs/sha256')), [])
  const left: string[] = []
  for await (const { info } of client.snapshots.list({})) left.push(...info.map(({ name }) => name))
  assert.equal(left.length, 10)
})
