import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { readImage } from './read-image.ts'

class FakeContent {
  readonly #blobs = new Map<string, Buffer>()

  add(mediaType: string, document: object): Descriptor {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf(bytes)
    this.#blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }

  addManifest(architecture: string, more: Partial<Descriptor> = {}): Descriptor {
    const rootfs = { type: 'layers', diff_ids: [] }
    const config = this.add(MEDIA_TYPE.ociConfig, { os: 'linux', architecture, config: {}, rootfs })
    const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [] }
    const platform = { os: 'linux', architecture }
    return { ...this.add(MEDIA_TYPE.ociManifest, manifest), platform, ...more }
  }

  remove({ digest }: Descriptor): void {
    this.#blobs.delete(digest)
  }

  client(): ContainerdClient {
    const blobs = this.#blobs
    const content = {
      async *read({ digest }: { digest: string }) {
        const data = blobs.get(digest)
        if (data === undefined) throw new Failure('not-found', `content ${digest}: not found`)
        yield { data }
      },
    }
    return { content } as unknown as ContainerdClient
  }
}

const OTHERS = ['s390x', 'riscv64'] // no machine that this runs on

test('of an index what was pulled is meant, else what is here, and what attests to an image only where there is nothing else', async () => {
  const content = new FakeContent()
  const [annotated, nobodys] = [
    content.addManifest('attests', { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
    content.addManifest('attests-too', { platform: { os: 'unknown', architecture: 'unknown' } }),
  ]
  const [first, second] = OTHERS.map((architecture) => content.addManifest(architecture)) as [Descriptor, Descriptor]
  const manifests = [annotated, nobodys, first, second]
  const index = content.add(MEDIA_TYPE.ociIndex, { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests })
  const chosen = async (digest?: string) => (await readImage(content.client(), index, digest)).manifest.digest

  assert.equal(await chosen(), first.digest)
  assert.equal(await chosen(second.digest), second.digest)
  content.remove(first)
  assert.equal(await chosen(), second.digest)
  assert.equal(await chosen(nobodys.digest), nobodys.digest)
})
