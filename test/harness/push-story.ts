// The push that crash tests cut off: a layer in two chunks, its configuration, its manifest; and what has to hold whatever was cut off.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { digestOf } from '../../src/oci/digest.ts'
import { manifestOf, pushBlob, putManifest, type SmallImage } from './our-registry.ts'

export interface CutPush {
  acknowledged: Set<'layer' | 'config' | 'manifest'>
  /** Of the layer's upload, as far as it was told. */
  location: string | undefined
  /** Bytes of the layer that were acknowledged. */
  size: number
}

/** An image whose layer has as many bytes and is pushed in two chunks. */
export class PushStory {
  readonly layer: Buffer
  readonly config = Buffer.from('{"architecture":"amd64"}')
  readonly image: SmallImage

  constructor(layerBytes: number) {
    this.layer = randomBytes(layerBytes)
    this.image = manifestOf([this.config, this.layer])
  }

  /** Says what was acknowledged before the line broke. An answer that is not the one that was due rejects. */
  async push(url: string): Promise<CutPush> {
    const { layer, config, image } = this
    const done: CutPush = { acknowledged: new Set(), location: undefined, size: 0 }
    try {
      done.location = (await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })).headers.get('location') ?? ''
      for (const start of [0, layer.length / 2]) {
        const end = start + layer.length / 2
        const headers = { 'content-range': `${start}-${end - 1}` }
        await fetch(done.location, { method: 'PATCH', headers, body: layer.subarray(start, end) })
        done.size = end
      }
      const put = await fetch(`${done.location}?digest=${digestOf(layer)}`, { method: 'PUT' })
      assert.equal(put.status, 201)
      done.acknowledged.add('layer')
      await pushBlob(url, 'a', config)
      done.acknowledged.add('config')
      assert.equal((await putManifest(url, 'a', 'latest', image.bytes)).status, 201)
      done.acknowledged.add('manifest')
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
    }
    return done
  }

  /** What was acknowledged is there, and nothing half is. */
  async check(url: string, { acknowledged }: CutPush): Promise<void> {
    if (acknowledged.has('layer')) assert.deepEqual(await bytesOf(url, `blobs/${digestOf(this.layer)}`), this.layer)
    if (acknowledged.has('config')) assert.deepEqual(await bytesOf(url, `blobs/${digestOf(this.config)}`), this.config)
    if (acknowledged.has('manifest')) assert.deepEqual(await bytesOf(url, 'manifests/latest'), this.image.bytes)
    await this.wholeOrAbsent(url)
  }

  /** The client goes on where the registry says that it is; what was acknowledged is not asked for again. */
  async resume(url: string, { location, acknowledged, size }: CutPush): Promise<void> {
    if (location === undefined || acknowledged.has('layer')) return
    const { layer } = this
    const address = `${url}${new URL(location).pathname}`
    const state = await fetch(address)
    if (state.status === 404) return // it was finished, and its answer was lost
    assert.equal(state.status, 204)
    const next = Number(/^0-(\d+)$/.exec(state.headers.get('range') ?? '')?.[1] ?? 0) + 1
    const start = next === 1 ? 0 : next
    assert.ok(start >= size, `${start} bytes are there, ${size} were acknowledged`)
    if (start < layer.length) {
      const headers = { 'content-range': `${start}-${layer.length - 1}` }
      assert.equal((await fetch(address, { method: 'PATCH', headers, body: layer.subarray(start) })).status, 202)
    }
    assert.equal((await fetch(`${address}?digest=${digestOf(layer)}`, { method: 'PUT' })).status, 201)
    assert.deepEqual(await bytesOf(url, `blobs/${digestOf(layer)}`), layer)
  }

  /** Every tag leads to a manifest, every manifest to its blobs, every blob to its own bytes. */
  async wholeOrAbsent(url: string): Promise<void> {
    const { image } = this
    const list = await fetch(`${url}/v2/a/tags/list`)
    const { tags = [] } = (await list.json()) as { tags?: string[] }
    for (const tag of tags) assert.deepEqual(await bytesOf(url, `manifests/${tag}`), image.bytes)
    const isThere = (await bytesOf(url, `manifests/${image.digest}`)) !== undefined
    for (const blob of image.blobs) {
      const bytes = await bytesOf(url, `blobs/${digestOf(blob)}`)
      if (isThere || bytes !== undefined) assert.equal(digestOf(bytes ?? ''), digestOf(blob))
    }
  }
}

/** Undefined for an answer other than success. */
export async function bytesOf(url: string, path: string): Promise<Buffer | undefined> {
  const response = await fetch(`${url}/v2/a/${path}`)
  const body = Buffer.from(await response.arrayBuffer())
  return response.status === 200 ? body : undefined
}
