// Images to one tar: an OCI layout with Docker's manifest.json beside it, so that docker load, skopeo and containerd all read it.
// The same images make the same bytes.
import { createHash } from 'node:crypto'
import { Failure, withSubject } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { splitDigest } from '../../oci/digest.ts'
import { descriptorJson } from '../../oci/format-descriptor.ts'
import { goJson } from '../../oci/go-json.ts'
import { isIndexType, isManifestType, isNonDistributable, MEDIA_TYPE } from '../../oci/media-type.ts'
import { type Manifest, MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { isSamePlatform } from '../../oci/parse-platform.ts'
import type { Platform } from '../../oci/platform.ts'
import { NO_XATTRS, type TarEntry } from '../../wire/tar/entry.ts'
import { type TarSource, writeTar } from '../../wire/tar/write-tar.ts'
import { nameAnnotations, shortReference } from './image-names.ts'

export interface ExportRequest {
  images: readonly ExportImage[]
  /** Of an index: the manifests that fit one of these, the most wanted first; Docker's manifest.json has the first that fits. */
  platforms: readonly Platform[]
  /** Of an index: all manifests, and all must be there. */
  allPlatforms: boolean
  /** Leaves out manifest.json. */
  skipCompatibilityManifest: boolean
  /** Leaves out layers whose licence forbids copies. */
  skipNonDistributable: boolean
}

export interface ExportImage {
  /** Left out: the image is in the archive without a name. */
  name?: string
  target: Descriptor
  /** Of an index: these of its entries, whatever their platforms, and the manifest that stands for it in Docker's file. */
  chosen?: { entries: readonly Descriptor[]; main: Descriptor }
}

/** Where the images' blobs are. Both throw `not-found`. */
export interface ExportBlobs {
  read(descriptor: Descriptor, sizeMax: number): Promise<Uint8Array>
  stream(descriptor: Descriptor): AsyncIterable<Uint8Array>
  /** Annotations that the image's descriptor gets in the archive's index: where its content came from. */
  sourceAnnotations(descriptor: Descriptor): Record<string, string>
}

const DEPTH_MAX = 8
const LAYOUT = '{"imageLayoutVersion":"1.0.0"}'

interface DockerImage {
  manifest: Descriptor
  names: string[]
}

/** The archive, block by block. All that is wrong with the images' documents is found before the first one. */
export async function* exportArchive(request: ExportRequest, blobs: ExportBlobs): AsyncGenerator<Buffer> {
  yield* writeTar(await planArchive(request, blobs))
}

async function planArchive(request: ExportRequest, blobs: ExportBlobs): Promise<TarSource[]> {
  const plan = new ArchivePlan(request, blobs)
  const roots: Descriptor[] = []
  for (const image of request.images) {
    const { name, target } = image
    const named = name === undefined ? {} : nameAnnotations(name)
    const annotations = { ...target.annotations, ...named, ...blobs.sourceAnnotations(target) }
    roots.push(Object.keys(annotations).length === 0 ? target : { ...target, annotations })
    await plan.addImage(image)
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: roots.map(descriptorJson) }
  plan.addFile('oci-layout', 0o444, LAYOUT)
  plan.addFile('index.json', 0o644, goJson(index))
  if (!request.skipCompatibilityManifest) await plan.addDockerManifest()
  return plan.sources()
}

class ArchivePlan {
  readonly #request: ExportRequest
  readonly #blobs: ExportBlobs
  readonly #sources = new Map<string, TarSource>()
  /** By the manifest's digest. */
  readonly #dockerImages = new Map<string, DockerImage>()

  constructor(request: ExportRequest, blobs: ExportBlobs) {
    this.#request = request
    this.#blobs = blobs
  }

  async addImage({ name, target, chosen: entries }: ExportImage): Promise<void> {
    let chosen: Descriptor | undefined = target
    if (isManifestType(target.mediaType)) await this.#addTree(target, 0)
    else if (isIndexType(target.mediaType))
      chosen = entries ? await this.#addEntries(target, entries) : await this.#addIndex(target)
    else throw new Failure('invalid-argument', 'only manifests may be exported: invalid argument')
    if (chosen === undefined) return
    const image = this.#dockerImages.get(chosen.digest) ?? { manifest: chosen, names: [] }
    if (name !== undefined) image.names.push(name)
    this.#dockerImages.set(chosen.digest, image)
  }

  addFile(name: string, mode: number, text: string): void {
    const bytes = Buffer.from(text)
    this.#sources.set(name, { entry: entryOf(name, { mode, size: bytes.length }), content: [bytes] })
  }

  /** One image of a Docker archive is one platform's; docker load knows no more. */
  async addDockerManifest(): Promise<void> {
    if (this.#dockerImages.size === 0) return
    const images: object[] = []
    for (const { manifest, names } of this.#dockerImages.values()) {
      const document = await this.#readManifest(manifest)
      const layers = document.layers.map(blobName)
      images.push({
        Config: blobName(document.config),
        RepoTags: names.length === 0 ? null : names.map(shortName),
        Layers: layers.length === 0 ? null : layers,
      })
    }
    this.addFile('manifest.json', 0o644, goJson(images))
  }

  /** By name, each once, with the directories that they lie in. */
  sources(): TarSource[] {
    const folders = new Set<string>()
    for (const name of this.#sources.keys()) if (name.startsWith('blobs/')) folders.add(name.replace(/[^/]*$/, ''))
    if (folders.size > 0) folders.add('blobs/')
    for (const name of folders)
      this.#sources.set(name, { entry: entryOf(name, { mode: 0o755, size: 0, type: 'directory' }) })
    return [...this.#sources].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, source]) => source)
  }

  /** Returns the manifest that stands for the index in Docker's file. */
  async #addIndex(target: Descriptor): Promise<Descriptor | undefined> {
    const { platforms, allPlatforms } = this.#request
    const document = parseManifestOrIndex(await this.#blobs.read(target, MANIFEST_BYTES_MAX), target.mediaType)
    if (document.kind !== 'index') throw new Failure('invalid-argument', 'not an index: invalid argument')
    this.#addBlob(target)
    const fitting: { manifest: Descriptor; rank: number }[] = []
    for (const manifest of document.manifests) {
      const rank = rankOf(manifest, platforms)
      if (rank !== undefined) fitting.push({ manifest, rank })
      else if (!allPlatforms) continue
      await this.#addTree(manifest, 1)
    }
    if (fitting.length === 0) throw new Failure('not-found', 'no manifest found for platform: not found')
    return fitting.sort((a, b) => a.rank - b.rank)[0]!.manifest
  }

  async #addEntries(target: Descriptor, chosen: NonNullable<ExportImage['chosen']>): Promise<Descriptor> {
    this.#addBlob(target)
    for (const entry of chosen.entries) await this.#addTree(entry, 1)
    return chosen.main
  }

  async #addTree(descriptor: Descriptor, depth: number): Promise<void> {
    if (depth > DEPTH_MAX) throw new Failure('invalid-argument', `index is nested more than ${DEPTH_MAX} deep`)
    this.#addBlob(descriptor)
    if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) return
    const document = parseManifestOrIndex(await this.#blobs.read(descriptor, MANIFEST_BYTES_MAX), descriptor.mediaType)
    const children = document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
    for (const child of children) await this.#addTree(child, depth + 1)
  }

  #addBlob(descriptor: Descriptor): void {
    const { mediaType, size } = descriptor
    if (this.#request.skipNonDistributable && isNonDistributable(mediaType)) return
    const name = blobName(descriptor)
    const content = proven(descriptor, this.#blobs.stream(descriptor))
    this.#sources.set(name, { entry: entryOf(name, { mode: 0o444, size }), content })
  }

  async #readManifest(descriptor: Descriptor): Promise<Manifest> {
    const document = parseManifestOrIndex(await this.#blobs.read(descriptor, MANIFEST_BYTES_MAX), descriptor.mediaType)
    if (document.kind === 'manifest') return document
    throw new Failure('invalid-argument', 'unable to create manifests file: not a manifest: invalid argument')
  }
}

/** A manifest without a platform fits all, and is the last choice. */
function rankOf(manifest: Descriptor, platforms: readonly Platform[]): number | undefined {
  const { platform } = manifest
  if (platform === undefined) return platforms.length
  const rank = platforms.findIndex((wanted) => isSamePlatform(wanted, platform))
  return rank < 0 ? undefined : rank
}

function shortName(name: string): string {
  try {
    return shortReference(name)
  } catch (error) {
    throw withSubject(`unable to create manifests file: failed to parse ${JSON.stringify(name)}`, error)
  }
}

function blobName({ digest }: Descriptor): string {
  const { algorithm, hex } = splitDigest(digest)
  return `blobs/${algorithm}/${hex}`
}

/** What the disk gives may not be what was stored; nobody shall get it under the old name. */
async function* proven(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { algorithm, hex } = splitDigest(descriptor.digest)
  const hash = createHash(algorithm)
  for await (const part of content) {
    hash.update(part)
    yield part
  }
  const found = hash.digest('hex')
  if (found !== hex) throw new Failure('data-loss', `unexpected digest ${algorithm}:${found} copied`)
}

function entryOf(name: string, fields: { mode: number; size: number; type?: 'directory' }): TarEntry {
  return {
    name,
    type: 'file',
    linkName: '',
    uid: 0,
    gid: 0,
    mtime: { seconds: 0, nanos: 0 },
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
    ...fields,
  }
}
