// An OCI image layout (image-spec image-layout.md): a directory with blobs by digest and an index of what has names.
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createHash, randomBytes } from 'node:crypto'
import { replaceFile } from '../base/atomic-file.ts'
import { Failure } from '../base/failure.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, splitDigest } from '../oci/digest.ts'
import { MEDIA_TYPE } from '../oci/media-type.ts'
import { type Index, MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../oci/parse-manifest.ts'

export const REF_NAME = 'org.opencontainers.image.ref.name'

export class OciLayout {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  /** Opens a layout, or makes an empty one. */
  static async open(directory: string): Promise<OciLayout> {
    await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
    const layout = new OciLayout(directory)
    if (!(await exists(join(directory, 'oci-layout')))) {
      await layout.#writeIndex([])
      await replaceFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}', {
        durability: 'atomic',
        mode: 0o644,
      })
    }
    return layout
  }

  /** Stores bytes and tells what they are called. Storing them again is no error. */
  async write(mediaType: string, source: Uint8Array | AsyncIterable<Uint8Array>): Promise<Descriptor> {
    const draft = join(this.directory, 'blobs', `.${randomBytes(6).toString('hex')}`)
    const hash = createHash('sha256')
    let size = 0
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const part of source instanceof Uint8Array ? [source] : source) {
        hash.update(part)
        size += part.length
        yield part
      }
    }
    try {
      await pipeline(counted(), createWriteStream(draft, { flags: 'wx' }))
      const digest = `sha256:${hash.digest('hex')}` as Digest
      await rename(draft, this.blobPath(digest))
      return { mediaType, digest, size }
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
  }

  async read(descriptor: Descriptor, sizeMax: number): Promise<Uint8Array> {
    const file = await open(this.blobPath(descriptor.digest), 'r').catch(() => undefined)
    if (!file) throw new Failure('not-found', `content ${descriptor.digest}: not found`)
    try {
      if ((await file.stat()).size > sizeMax)
        throw new Failure('resource-exhausted', `content ${descriptor.digest} is larger than ${sizeMax} bytes`)
      return await file.readFile()
    } finally {
      await file.close()
    }
  }

  stream(descriptor: Descriptor): AsyncIterable<Uint8Array> {
    return createReadStream(this.blobPath(descriptor.digest))
  }

  async index(): Promise<Index> {
    const bytes = await readFile(join(this.directory, 'index.json'))
    const index = parseManifestOrIndex(bytes.subarray(0, MANIFEST_BYTES_MAX + 1), MEDIA_TYPE.ociIndex)
    if (index.kind !== 'index') throw new Failure('invalid-argument', 'index.json is no index')
    return index
  }

  /** Gives a manifest a name, taking the name from whatever had it. */
  async tag(descriptor: Descriptor, name: string): Promise<void> {
    const { manifests } = await this.index()
    const others = manifests.filter((entry) => entry.annotations?.[REF_NAME] !== name)
    const annotations = { ...descriptor.annotations, [REF_NAME]: name }
    await this.#writeIndex([...others, { ...descriptor, annotations }])
  }

  async find(name: string): Promise<Descriptor | undefined> {
    return (await this.index()).manifests.find((entry) => entry.annotations?.[REF_NAME] === name)
  }

  blobPath(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest)
    return join(this.directory, 'blobs', algorithm, hex)
  }

  async #writeIndex(manifests: readonly Descriptor[]): Promise<void> {
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }
    await replaceFile(join(this.directory, 'index.json'), JSON.stringify(index), { durability: 'atomic', mode: 0o644 })
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
