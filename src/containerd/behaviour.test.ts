// What an administrator may choose of the stores: whether namespaces share content, and how overlayfs snapshots behave.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../oci/digest.ts'
import { ContentStore } from './content/content-store.ts'
import { EventExchange } from './events/event-exchange.ts'
import { LeaseStore } from './leases/lease-store.ts'
import { MetadataStore } from './metadata/metadata-store.ts'
import { NamespaceStore } from './namespaces/namespace-store.ts'
import { openSnapshots, type OverlaySettings } from './snapshots/overlay-snapshotter.ts'

const HELLO = Buffer.from('hello')
const EXPECTED = digestOf(HELLO)

async function withMetadata(work: (metadata: MetadataStore, root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'behaviour-'))
  const metadata = await MetadataStore.open(join(root, 'meta'))
  try {
    await work(metadata, root)
  } finally {
    await metadata.close()
    rmSync(root, { recursive: true })
  }
}

/** Namespace `a` has the blob; what is `b` told that wants to write it? */
async function askForOthers(isShared: boolean, check: (store: ContentStore) => Promise<void>): Promise<void> {
  await withMetadata(async (metadata, root) => {
    const events = new EventExchange()
    const namespaces = new NamespaceStore(metadata, events)
    const leases = new LeaseStore(metadata, namespaces)
    const store = new ContentStore({ root, metadata, namespaces, leases, events, isShared })
    const ingest = await store.openIngest(request('a'))
    await ingest.write(HELLO)
    await store.commit(ingest, { sizeBytes: 5, digest: EXPECTED, labels: {} })
    await check(store)
  })
}

const request = (namespace: string) => ({ namespace, ref: 'r', totalBytes: 5, expected: EXPECTED, leaseId: undefined })

test('shared: a namespace has what another one has for the asking', () =>
  askForOthers(true, async (store) => {
    await assert.rejects(store.openIngest(request('b')), { code: 'already-exists' })
    assert.equal(store.require('b', EXPECTED).size, 5n)
  }))

test('isolated: each namespace brings the bytes, and knowing the digest gives nothing', () =>
  askForOthers(false, async (store) => {
    const ingest = await store.openIngest(request('b'))
    assert.throws(() => store.require('b', EXPECTED), { code: 'not-found' })
    await assert.rejects(store.commit(ingest, { sizeBytes: 5, digest: EXPECTED, labels: {} }), {
      code: 'failed-precondition',
    })
    assert.throws(() => store.require('b', EXPECTED), { code: 'not-found' })
    await ingest.write(HELLO)
    await store.commit(ingest, { sizeBytes: 5, digest: EXPECTED, labels: {} })
    await store.delete('a', EXPECTED)
    assert.equal(existsSync(store.blobPath(EXPECTED)), true)
  }))

async function withOverlay(
  settings: OverlaySettings,
  work: (snapshots: ReturnType<typeof openSnapshots>, root: string) => Promise<void>,
): Promise<void> {
  await withMetadata((store, root) => work(openSnapshots({ root, store, settings }), root))
}

test('mount options are added to every overlay', () =>
  withOverlay({ mountOptions: ['volatile'] }, async (snapshots) => {
    await snapshots.prepare('n', 'base', '')
    await snapshots.commit('n', 'layer', 'base')
    const [mount] = await snapshots.prepare('n', 'rw', 'layer')
    assert.ok(mount?.options.includes('volatile'))
  }))

test('the label of the upper directory is told, and not kept', async () => {
  const label = 'containerd.io/snapshot/overlay.upperdir'
  await withMetadata(async (store, root) => {
    const labelling = openSnapshots({ root, store, settings: { upperdirLabel: true } })
    const [mount] = await labelling.prepare('n', 'rw', '', { own: 'x' })
    const upper = { own: 'x', [label]: mount!.source }
    assert.deepEqual((await labelling.stat('n', 'rw')).labels, upper)
    assert.deepEqual((await labelling.list('n'))[0]?.labels, upper)
    assert.deepEqual((await openSnapshots({ root, store }).stat('n', 'rw')).labels, { own: 'x' })
  })
})

test('a synchronous removal resolves when the space is free', () =>
  withOverlay({ syncRemove: true }, async (snapshots, root) => {
    const [mount] = await snapshots.prepare('n', 'rw', '')
    writeFileSync(join(mount!.source, 'file'), 'x')
    await snapshots.remove('n', 'rw')
    const { readdirSync } = await import('node:fs')
    assert.deepEqual(readdirSync(join(root, 'snapshots')), [])
  }))
