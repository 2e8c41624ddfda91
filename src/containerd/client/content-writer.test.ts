// What is left of a blob whose writing broke off: gone on with where it is of the blob, thrown away where it is not. Once with a store whose files the
// writer sees, and once with one that has to be sent the bytes.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type ContentServices, openContentServices } from '../../../test/harness/content-services.ts'
import { Failure } from '../../base/failure.ts'
import { WriteAction } from '../../gen/services/content_pb.ts'
import { digestOf } from '../../oci/digest.ts'
import type { BlobSource } from '../../registry/client/puller.ts'
import type { ContainerdClient } from './client.ts'
import { ingestDirectoryIn } from './content-layout.ts'
import { openContentSink, uploadedBytes } from './content-writer.ts'
import { IN_PLACE, UploadCall, writesOf } from './upload-bytes.ts'

const BLOB = randomBytes(5_000_000)
const DESCRIPTOR = { mediaType: 'x/y', digest: digestOf(BLOB), size: BLOB.length }
const { signal } = new AbortController()

/** Gives the rest from wherever it is asked for, up to `end`, and then fails; remembers where. */
function restOf(bytes: Buffer, asked: number[], end = Number.POSITIVE_INFINITY): BlobSource {
  return async function* (offset) {
    asked.push(offset)
    for (let at = offset; at < Math.min(end, bytes.length); at += 70_000)
      yield bytes.subarray(at, Math.min(at + 70_000, end))
    if (end < bytes.length) throw new Failure('unavailable', 'unexpected EOF')
  }
}

async function withServices(work: (services: ContentServices) => Promise<void>): Promise<void> {
  for (const isVisible of [true, false]) {
    await using services = await openContentServices({ isVisible })
    services.leases.create('moby', 'test', {})
    await work(services)
  }
}

const sinkOf = ({ client }: ContentServices) => openContentSink(client.withLease('test'))
const ingests = ({ root }: ContentServices) => readdirSync(join(root, 'ingest'))

test('a write goes on where the one before broke off, to the byte, also after the store was killed', () =>
  withServices(async (services) => {
    const asked: number[] = []
    await assert.rejects(sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked, 1_234_567), signal), /unexpected EOF/)
    assert.equal(await uploadedBytes(services.client, DESCRIPTOR.digest), 1_234_567, 'nothing of what came is lost')
    await assert.rejects(sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked, 3_000_000), signal), /unexpected EOF/)
    services.restart()
    await sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked), signal)
    assert.deepEqual(asked, [0, 1_234_567, 3_000_000])
    assert.ok(Buffer.from(await sinkOf(services).read(DESCRIPTOR, BLOB.length)).equals(BLOB))
    assert.deepEqual(ingests(services), [])
  }))

test('one that had everything but its end asks for nothing', () =>
  withServices(async (services) => {
    const ingest = await services.content.openIngest({
      namespace: 'moby',
      ref: `blob-${DESCRIPTOR.digest}`,
      totalBytes: BLOB.length,
      expected: DESCRIPTOR.digest,
      leaseId: undefined,
    })
    await ingest.write(BLOB)
    await ingest.close()
    services.restart()
    const asked: number[] = []
    await sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked), signal)
    assert.deepEqual(asked, [BLOB.length])
    assert.ok(await sinkOf(services).has(DESCRIPTOR))
  }))

test('what was left of other bytes costs a second download, and no more', () =>
  withServices(async (services) => {
    const asked: number[] = []
    const other = randomBytes(BLOB.length)
    await assert.rejects(sinkOf(services).write(DESCRIPTOR, restOf(other, asked, 2_000_000), signal), /unexpected EOF/)
    await sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked), signal)
    assert.deepEqual(asked, [0, 2_000_000, 0])
    assert.ok(Buffer.from(await sinkOf(services).read(DESCRIPTOR, BLOB.length)).equals(BLOB))
    assert.deepEqual(ingests(services), [])
  }))

test('bytes that are wrong from a fresh start are told, not asked for for ever', () =>
  withServices(async (services) => {
    const asked: number[] = []
    const other = randomBytes(BLOB.length)
    await assert.rejects(sinkOf(services).write(DESCRIPTOR, restOf(other, asked, 2_000_000), signal), /unexpected EOF/)
    await assert.rejects(sinkOf(services).write(DESCRIPTOR, restOf(other, asked), signal), {
      code: 'failed-precondition',
      message: /unexpected commit digest/,
    })
    assert.deepEqual(asked, [0, 2_000_000, 0])
  }))

test('a size that somebody else claimed for the blob is in nobody’s way', () =>
  withServices(async (services) => {
    const asked: number[] = []
    const lie = { ...DESCRIPTOR, size: 2 ** 50 }
    await assert.rejects(sinkOf(services).write(lie, restOf(BLOB, asked, 1_000_000), signal), /unexpected EOF/)
    await sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked), signal)
    assert.deepEqual(asked, [0, 0])
    assert.ok(await sinkOf(services).has(DESCRIPTOR))
  }))

test('more than the blob has is left: it is written from its beginning', () =>
  withServices(async (services) => {
    const ingest = await services.content.openIngest({
      namespace: 'moby',
      ref: `blob-${DESCRIPTOR.digest}`,
      totalBytes: 0,
      expected: DESCRIPTOR.digest,
      leaseId: undefined,
    })
    await ingest.write(Buffer.alloc(BLOB.length + 1))
    await ingest.close()
    const asked: number[] = []
    await sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked), signal)
    assert.deepEqual(asked, [0])
  }))

test('two at once: the second takes over what the first has left', () =>
  withServices(async (services) => {
    const asked: number[] = []
    const first = sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked, 2_000_000), signal)
    const second = sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked), signal)
    await assert.rejects(first, /unexpected EOF/)
    await second
    assert.deepEqual(asked, [0, 2_000_000])
  }))

test('a source that can not go on is written from its beginning', () =>
  withServices(async (services) => {
    const asked: number[] = []
    await assert.rejects(sinkOf(services).write(DESCRIPTOR, restOf(BLOB, asked, 2_000_000), signal), /unexpected EOF/)
    const plain = (async function* () {
      yield BLOB
    })()
    await sinkOf(services).write(DESCRIPTOR, plain, signal)
    assert.ok(await sinkOf(services).has(DESCRIPTOR))
  }))

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

const REF = `blob-${DESCRIPTOR.digest}`
const fileOf = ({ root }: ContentServices) => join(ingestDirectoryIn(root, 'moby', REF), 'data')

type Request = Parameters<ContainerdClient['content']['write']>[0] extends AsyncIterable<infer R> ? R : never

/** The client, and what it asks of Write on the way. */
function watched({ client }: ContentServices, see: (request: Request) => void): ContainerdClient {
  const write: ContainerdClient['content']['write'] = (requests, options) => {
    const seen = async function* () {
      for await (const request of requests) {
        see(request)
        yield request
      }
    }
    return client.content.write(seen(), options)
  }
  return { ...client, content: { ...client.content, write } }
}

test('large blobs are written where the store keeps them, small ones are sent', async () => {
  await using services = await openContentServices()
  const sent: number[] = []
  const sink = openContentSink(watched(services, ({ data }) => sent.push(data?.length ?? 0)))
  await sink.write(DESCRIPTOR, restOf(BLOB, []), signal)
  assert.ok(Math.max(...sent) === 0, String(sent))
  const small = randomBytes(1000)
  await sink.write({ mediaType: 'x/y', digest: digestOf(small), size: 1000 }, () => once(small), signal)
  assert.equal(Math.max(...sent), 1000)
})

test('what nobody told of does not become part of a blob: neither behind its end, nor before it', async () => {
  await using services = await openContentServices()
  const more = () => appendFileSync(fileOf(services), 'more')
  const sink = openContentSink(watched(services, ({ action }) => action === WriteAction.COMMIT && more()))
  await sink.write(DESCRIPTOR, restOf(BLOB, []), signal)
  assert.ok(readFileSync(services.content.blobPath(DESCRIPTOR.digest)).equals(BLOB))
  // A writer that was killed may have appended when the store had looked already.
  await services.content.delete('moby', DESCRIPTOR.digest)
  const slow: BlobSource = async function* (offset) {
    more()
    yield BLOB.subarray(offset)
  }
  await openContentSink(services.client).write(DESCRIPTOR, slow, signal)
  assert.ok(readFileSync(services.content.blobPath(DESCRIPTOR.digest)).equals(BLOB))
})

test('a store believes of a file only what is in it', async () => {
  await using services = await openContentServices()
  const claims = async function* (bytes: number) {
    const common = { ref: REF, expected: DESCRIPTOR.digest, total: BigInt(BLOB.length) }
    yield { ...common, action: WriteAction.STAT }
    await setImmediate()
    appendFileSync(fileOf(services), Buffer.alloc(bytes))
    yield { ...common, action: WriteAction.WRITE, offset: BigInt(BLOB.length) }
    yield { ...common, action: WriteAction.COMMIT, offset: BigInt(BLOB.length) }
  }
  const write = async (bytes: number, headers: Record<string, string>) => {
    for await (const _ of services.client.content.write(claims(bytes), { headers }));
  }
  await assert.rejects(write(1000, IN_PLACE), { code: 'data-loss', message: /ends at 1000, not at 5000000/ })
  await assert.rejects(write(BLOB.length - 1000, IN_PLACE), {
    code: 'failed-precondition',
    message: /unexpected commit digest/,
  })
  // Who does not say that it writes there itself has sent too little.
  await assert.rejects(write(BLOB.length, {}), { code: 'out-of-range' })
})

test('bytes that come when a call is over are put nowhere', async () => {
  await using services = await openContentServices()
  const ingest = await services.content.openIngest({
    ...{ namespace: 'moby', ref: REF, totalBytes: 0, expected: undefined, leaseId: undefined },
  })
  const call = new UploadCall()
  call.answered(0n)
  const late = async function* () {
    yield BLOB.subarray(0, 4 << 20)
    call.end()
    yield BLOB
  }
  const told: number[] = []
  const { client } = services
  for await (const { end } of writesOf(late(), { client, call, ref: REF, offset: 0 })) told.push(end)
  assert.deepEqual(told, [4 << 20])
  assert.equal(statSync(fileOf(services)).size, 4 << 20)
  await ingest.close()
})
