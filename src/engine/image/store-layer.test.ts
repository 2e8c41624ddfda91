import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Failure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { WriteAction } from '../../gen/services/content_pb.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import type { Lease } from './lease.ts'
import { storeLayer } from './store-layer.ts'

interface Written {
  ref: string
  action: WriteAction
  offset: bigint
  data?: Uint8Array
  expected?: string
}

/** A content store in memory, as a lease sees it. */
class FakeContent {
  readonly blobs = new Map<string, Buffer>()
  readonly labels = new Map<string, Record<string, string>>()
  readonly held = new Set<string>()
  readonly uploads = new Map<string, Buffer[]>()

  get lease(): Lease {
    const { blobs, labels, held, uploads } = this
    const content = {
      async *write(requests: AsyncIterable<Written>) {
        for await (const { ref, action, data, expected = '' } of requests) {
          const parts = uploads.get(ref) ?? []
          uploads.set(ref, parts)
          if (data !== undefined) parts.push(Buffer.from(data))
          if (action === WriteAction.COMMIT) {
            if (blobs.has(expected)) throw new Failure('already-exists', expected)
            blobs.set(expected, Buffer.concat(parts))
            uploads.delete(ref)
          }
          yield { action, offset: 0n, digest: action === WriteAction.STAT ? digestOf(Buffer.concat(parts)) : '' }
        }
      },
      abort: async ({ ref }: { ref: string }) => {
        uploads.delete(ref)
      },
      info: async ({ digest }: { digest: string }) => {
        if (!blobs.has(digest)) throw new Failure('not-found', digest)
        return {}
      },
      update: async ({ info }: { info: { digest: string; labels: Record<string, string> } }) => {
        labels.set(info.digest, info.labels)
      },
    }
    return {
      client: { content, contentDirectory: async () => undefined } as unknown as ContainerdClient,
      holdContent: async (digest) => void held.add(digest),
      holdSnapshot: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
  }
}

const { signal } = new AbortController()
/** More than any buffer on the way holds. */
const TAR = randomBytes(5_000_000)

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536)
}

test('a layer that comes gzipped is kept as it is, a plain one is gzipped, and both unpack to the same', async () => {
  const content = new FakeContent()
  const packed = gzipSync(TAR)
  const kept = await storeLayer(content.lease, inPieces(packed), signal)
  assert.deepEqual(kept, {
    descriptor: { mediaType: MEDIA_TYPE.ociLayerGzip, digest: digestOf(packed), size: packed.length },
    diffId: digestOf(TAR),
  })
  const made = await storeLayer(content.lease, inPieces(TAR), signal)
  assert.equal(made.diffId, digestOf(TAR))
  assert.deepEqual(gunzipSync(content.blobs.get(made.descriptor.digest)!), TAR)
  assert.deepEqual(await storeLayer(content.lease, inPieces(packed), signal), kept, 'what is there already is taken')
  for (const { digest } of [kept.descriptor, made.descriptor]) {
    assert.equal(content.labels.get(digest)?.['containerd.io/uncompressed'], digestOf(TAR))
    assert.ok(content.held.has(digest))
  }
})

test('damaged, cut off or broken archives are not stored, and nothing of them stays', async () => {
  const content = new FakeContent()
  const packed = gzipSync(TAR)
  const damaged = Buffer.from(packed)
  damaged.fill(0xff, 1_000_000, 1_000_100)
  async function* broken(): AsyncGenerator<Buffer> {
    yield packed.subarray(0, 2_000_000)
    throw new Failure('cancelled', 'the client is gone')
  }
  const cases: [source: AsyncIterable<Buffer>, message: RegExp][] = [
    [inPieces(damaged), /^gzip: /],
    [inPieces(packed.subarray(0, 3_000_000)), /^gzip: unexpected EOF$/],
    [broken(), /^the client is gone$/],
  ]
  for (const [source, message] of cases)
    await assert.rejects(storeLayer(content.lease, source, signal), { name: 'Failure', message })
  assert.deepEqual([content.blobs.size, content.uploads.size], [0, 0])
})
