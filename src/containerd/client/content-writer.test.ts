// What is left of a blob whose writing broke off: gone on with where it is of the blob, thrown away where it is not.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ContentServices, openContentServices } from '../../../test/harness/content-services.ts'
import { Failure } from '../../base/failure.ts'
import { digestOf } from '../../oci/digest.ts'
import type { BlobSource } from '../../registry/client/puller.ts'
import { openContentSink, uploadedBytes } from './content-writer.ts'

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
  await using services = await openContentServices()
  services.leases.create('moby', 'test', {})
  await work(services)
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
