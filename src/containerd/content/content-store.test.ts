import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { EventExchange } from '../events/event-exchange.ts'
import { LeaseStore } from '../leases/lease-store.ts'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { NamespaceStore } from '../namespaces/namespace-store.ts'
import { ContentStore } from './content-store.ts'
import { ingestDirectoryIn } from '../client/content-layout.ts'

const HELLO = Buffer.from('hello')
const DIGEST = digestOf(HELLO)

async function withStore(
  work: (store: ContentStore, root: string, leases: LeaseStore, reopen: () => ContentStore) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'content-'))
  const metadata = await MetadataStore.open(join(root, 'meta'))
  try {
    const events = new EventExchange()
    const namespaces = new NamespaceStore(metadata, events)
    const leases = new LeaseStore(metadata, namespaces)
    const reopen = () => new ContentStore({ root, metadata, namespaces, leases, events })
    await work(reopen(), root, leases, reopen)
  } finally {
    await metadata.close()
    rmSync(root, { recursive: true })
  }
}

function request(ref: string, expected?: Digest, namespace = 'a') {
  return { namespace, ref, totalBytes: 0, expected, leaseId: undefined }
}

async function put(store: ContentStore, data: Buffer, namespace = 'a', labels: Record<string, string> = {}) {
  const ingest = await store.openIngest(request(`put-${data.length}`, undefined, namespace))
  await ingest.write(data)
  return await store.commit(ingest, { sizeBytes: data.length, digest: undefined, labels })
}

async function bytesOf(store: ContentStore, digest: Digest, offset = 0, size = 0): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of store.read('a', digest, offset, size)) parts.push(part)
  return Buffer.concat(parts).toString()
}

test('what is committed can be read, whole and in part, and its ingest is gone', () =>
  withStore(async (store, root) => {
    assert.equal(await put(store, HELLO, 'a', { k: 'v' }), DIGEST)
    assert.equal(await bytesOf(store, DIGEST), 'hello')
    assert.equal(await bytesOf(store, DIGEST, 1, 3), 'ell')
    assert.equal(await bytesOf(store, DIGEST, 5), '')
    assert.throws(() => store.read('a', DIGEST, 6, 0), { code: 'out-of-range' })
    assert.deepEqual(store.require('a', DIGEST).labels, { k: 'v' })
    assert.equal(statSync(store.blobPath(DIGEST)).mode & 0o777, 0o444)
    assert.deepEqual(readdirSync(join(root, 'ingest')), [])
  }))

test('an upload goes on where an earlier process left it', () =>
  withStore(async (store, _root, _leases, reopen) => {
    const first = await store.openIngest(request('r', DIGEST))
    await first.write(HELLO.subarray(0, 2))
    await first.close()
    const later = reopen()
    assert.equal(later.status('a', 'r').offset, 2n)
    const second = await later.openIngest(request('r', DIGEST))
    assert.equal(second.sizeBytes, 2)
    await second.write(HELLO.subarray(2))
    assert.equal(await later.commit(second, { sizeBytes: 5, digest: DIGEST, labels: {} }), DIGEST)
  }))

test('a wrong size or digest is no blob, and the wrong bytes are not resumed', () =>
  withStore(async (store) => {
    const ingest = await store.openIngest(request('r'))
    await ingest.write(HELLO)
    await assert.rejects(store.commit(ingest, { sizeBytes: 4, digest: undefined, labels: {} }), {
      code: 'failed-precondition',
      message: '"r" failed size validation: 5 != 4: failed precondition',
    })
    await assert.rejects(store.commit(ingest, { sizeBytes: 0, digest: digestOf('x'), labels: {} }), {
      code: 'failed-precondition',
    })
    assert.equal(ingest.sizeBytes, 0)
    await ingest.close()
    assert.deepEqual(store.list('a'), [])
  }))

test('a ref has one writer at a time', () =>
  withStore(async (store) => {
    const ingest = await store.openIngest(request('r'))
    await assert.rejects(store.openIngest(request('r')), { code: 'unavailable', message: /ref a\/1\/r locked for 0s/ })
    await assert.rejects(store.abort('a', 'r'), { code: 'unavailable' })
    await (await store.openIngest(request('r', undefined, 'b'))).close()
    await ingest.close()
    await store.abort('a', 'r')
    assert.throws(() => store.status('a', 'r'), { code: 'not-found' })
  }))

test('two uploads of one digest: one makes the blob, the other hears that it exists', () =>
  withStore(async (store) => {
    const [one, two] = [await store.openIngest(request('1')), await store.openIngest(request('2'))]
    await one.write(HELLO)
    await two.write(HELLO)
    await store.commit(one, { sizeBytes: 5, digest: DIGEST, labels: {} })
    await assert.rejects(store.commit(two, { sizeBytes: 5, digest: DIGEST, labels: {} }), { code: 'already-exists' })
    await assert.rejects(store.openIngest(request('3', DIGEST)), { code: 'already-exists' })
    assert.equal(await bytesOf(store, DIGEST), 'hello')
  }))

test('namespaces share the bytes and nothing else', () =>
  withStore(async (store) => {
    await put(store, HELLO)
    assert.throws(() => store.require('b', DIGEST), { code: 'not-found' })
    await assert.rejects(store.openIngest(request('r', DIGEST, 'b')), { code: 'already-exists' })
    assert.equal(store.require('b', DIGEST).size, 5n)
    await store.delete('a', DIGEST)
    assert.equal(readFileSync(store.blobPath(DIGEST), 'utf8'), 'hello')
    await store.delete('b', DIGEST)
    assert.equal(statSync(store.blobPath(DIGEST), { throwIfNoEntry: false }), undefined)
  }))

test('labels change one by one or as a whole', () =>
  withStore(async (store) => {
    await put(store, HELLO, 'a', { a: '1', b: '2' })
    const info = (labels: Record<string, string>) => create(InfoSchema, { digest: DIGEST, labels })
    await store.update('a', info({ a: '', c: '3' }), ['labels.a', 'labels.c'])
    assert.deepEqual(store.require('a', DIGEST).labels, { b: '2', c: '3' })
    await store.update('a', info({ z: '9' }), ['labels'])
    assert.deepEqual(store.require('a', DIGEST).labels, { z: '9' })
    await assert.rejects(store.update('a', info({}), ['size']), { code: 'invalid-argument' })
    await assert.rejects(store.update('a', info({ k: 'x'.repeat(5000) }), []), { code: 'invalid-argument' })
  }))

test('a sweep removes what crashes left and keeps what is under way', () =>
  withStore(async (store, root) => {
    await put(store, HELLO)
    const open = await store.openIngest(request('open'))
    writeFileSync(join(root, 'blobs/sha256', 'f'.repeat(64)), 'renamed, but the record was never written')
    mkdirSync(join(root, 'ingest/torn'))
    appendFileSync(join(root, 'ingest/torn/data'), 'made, but without a record')
    await (await store.openIngest(request('idle'))).close()
    await store.sweep(-1, () => false)
    assert.deepEqual(
      store.listStatuses('a').map(({ ref }) => ref),
      ['open'],
    )
    assert.deepEqual(readdirSync(join(root, 'blobs/sha256')), [DIGEST.slice(7)])
    await open.close()
  }))

test('an upload whose end a crash came into has its bytes again, or is over where there is a record of the blob', () =>
  withStore(async (first, root, _leases, reopen) => {
    let store = first
    const begin = async () => {
      const ingest = await store.openIngest(request('cut', DIGEST))
      await ingest.write(HELLO)
      return ingest
    }
    // As a process leaves it that is killed between the rename and the record.
    const ingest = await begin()
    await ingest.moveTo(store.blobPath(DIGEST), { isDurable: false })
    await ingest.close()
    assert.equal(store.status('a', 'cut').offset, 0n)
    store = reopen()
    assert.equal(store.status('a', 'cut').offset, 5n)
    assert.deepEqual(readdirSync(join(root, 'blobs/sha256')), [])

    const again = await store.openIngest(request('cut', DIGEST))
    assert.equal(again.sizeBytes, 5)
    await store.commit(again, { sizeBytes: 5, digest: DIGEST, labels: {} })
    assert.deepEqual(readdirSync(join(root, 'ingest')), [])

    // Killed after the record.
    const record = { namespace: 'a', ref: 'cut', startedAtMs: Date.now(), totalBytes: 5, expected: DIGEST as string }
    const leaveRecord = () => {
      mkdirSync(ingestDirectoryIn(root, 'a', 'cut'))
      writeFileSync(join(ingestDirectoryIn(root, 'a', 'cut'), 'record.json'), JSON.stringify(record))
    }
    leaveRecord()
    store = reopen()
    assert.deepEqual(readdirSync(join(root, 'ingest')), [])
    assert.deepEqual(readdirSync(join(root, 'blobs/sha256')), [DIGEST.slice(7)])

    // While the blob is being deleted its file is nobody's, and not the upload's again.
    leaveRecord()
    store.forget('a', DIGEST)
    await store.sweep(60_000)
    assert.deepEqual(readdirSync(join(root, 'ingest')), [])
    await store.removeForgotten([DIGEST])

    // There is no blob any more; and one whose digest was told only at the end.
    for (record.expected of [DIGEST, '']) {
      leaveRecord()
      await store.sweep(60_000, () => true)
      assert.deepEqual(readdirSync(join(root, 'ingest')), [], record.expected)
    }
  }))

test('names can not lead out of the store', () =>
  withStore(async (store, root) => {
    await (await store.openIngest(request('../../../etc/passwd'))).close()
    assert.match(readdirSync(join(root, 'ingest')).join(), /^[0-9a-f]{64}$/)
    await assert.rejects(store.update('a', create(InfoSchema, { digest: 'sha256:../../x' }), []), {
      code: 'invalid-argument',
    })
  }))
