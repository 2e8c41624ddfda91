// From an image archive to an index of its images: an OCI layout has one, for Docker's format it is made.
import { createGzip } from 'node:zlib'
import { pipeline, Readable } from 'node:stream'
import { Failure, withSubject } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { descriptorJson } from '../../oci/format-descriptor.ts'
import { goJson } from '../../oci/go-json.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { IMAGE_CONFIG_BYTES_MAX } from '../../oci/parse-image-config.ts'
import { optional, parseJsonObject, stringOf } from '../../oci/json-shape.ts'
import { normalizePlatform } from '../../oci/parse-platform.ts'
import { decompress, detectCompression, MAGIC_BYTES } from '../../wire/compression/decompress.ts'
import { nameAnnotations, normalReference } from './image-names.ts'
import { type ArchiveContents, type ArchiveFile, readArchive, type SavedImage, type StoreFile } from './read-archive.ts'

/** Where the archive's blobs go, and what is known of those that are there. */
export interface ArchiveBlobs {
  store: StoreFile
  /** Stores what is made here: manifests, and layers that are compressed on the way. */
  write(
    mediaType: string,
    source: Uint8Array | AsyncIterable<Uint8Array>,
    labels?: Readonly<Record<string, string>>,
  ): Promise<Descriptor>
  /** At most `sizeMax` bytes from the start. */
  readStart(digest: Digest, sizeMax: number): Promise<Buffer>
  stream(digest: Digest): AsyncIterable<Buffer>
  /** A stored blob that unpacks to the layer of this digest. */
  findPacked(diffId: Digest): ArchiveFile | undefined | Promise<ArchiveFile | undefined>
}

export interface ImportOptions {
  /** Layers of Docker's format, which come as they are, are stored gzipped. */
  compressLayers: boolean
  signal: AbortSignal
}

const LAYOUT_VERSION = '1.0.0'
/** Says of a blob what it unpacks to. */
export const UNCOMPRESSED_LABEL = 'containerd.io/uncompressed'

/**
 * `archive` may be compressed. Resolves to a stored index whose entries carry the images' names as annotations (image-names.ts).
 * Whether all that the index names was in the archive is for the caller to find out. Throws Failure('invalid-argument').
 */
export async function importArchive(
  archive: AsyncIterable<Buffer>,
  blobs: ArchiveBlobs,
  options: ImportOptions,
): Promise<Descriptor> {
  const contents = await readArchive(decompress(archive), (file, content) => blobs.store(file, content))
  if (contents.layoutVersion) return indexOfLayout(contents)
  if (contents.saved === undefined) throw new Failure('invalid-argument', 'unrecognized image format')
  const files = withLinks(contents)
  const manifests: Descriptor[] = []
  for (const image of contents.saved) manifests.push(...(await importSaved(image, files, blobs, options)))
  const index = { schemaVersion: 2, manifests: manifests.map(descriptorJson) }
  return blobs.write(MEDIA_TYPE.ociIndex, Buffer.from(goJson(index)))
}

function indexOfLayout({ files, layoutVersion }: ArchiveContents): Descriptor {
  if (layoutVersion !== LAYOUT_VERSION)
    throw new Failure('invalid-argument', `unsupported OCI version ${layoutVersion}`)
  const index = files.get('index.json')
  if (index === undefined) throw new Failure('invalid-argument', `missing index.json in OCI layout ${LAYOUT_VERSION}`)
  return { mediaType: MEDIA_TYPE.ociIndex, ...index }
}

function withLinks({ files, links }: ArchiveContents): Map<string, ArchiveFile> {
  const all = new Map(files)
  for (const [name, target] of links) {
    const file = files.get(target)
    if (file === undefined)
      throw new Failure('invalid-argument', `no target for symlink layer from "${name}" to "${target}"`)
    all.set(name, file)
  }
  return all
}

/** A descriptor for each of its names, or one without. */
async function importSaved(
  image: SavedImage,
  files: ReadonlyMap<string, ArchiveFile>,
  blobs: ArchiveBlobs,
  options: ImportOptions,
): Promise<Descriptor[]> {
  const config = files.get(image.config)
  if (config === undefined) throw new Failure('invalid-argument', `image config "${image.config}" not found`)
  const layers: Descriptor[] = []
  for (const name of image.layers) {
    options.signal.throwIfAborted()
    const file = files.get(name)
    if (file === undefined) throw new Failure('invalid-argument', `failed to resolve layers: layer "${name}" not found`)
    layers.push(await resolveLayer(file, blobs, options).catch(failedLayer(name)))
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.dockerManifest,
    config: descriptorJson({ mediaType: MEDIA_TYPE.dockerConfig, ...config }),
    layers: layers.map(descriptorJson),
  }
  const stored = await blobs.write(MEDIA_TYPE.dockerManifest, Buffer.from(goJson(manifest)))
  const platform = await platformOf(config, blobs)
  const descriptor: Descriptor = { ...stored, platform }
  if (image.repoTags.length === 0) return [descriptor]
  return image.repoTags.map((tag) => ({ ...descriptor, annotations: nameAnnotations(normalised(tag)) }))
}

function failedLayer(name: string) {
  return (error: unknown): never => {
    throw withSubject(`failed to resolve layers: layer "${name}"`, error)
  }
}

function normalised(tag: string): string {
  try {
    return normalReference(tag)
  } catch (error) {
    throw withSubject(`normalize image ref ${JSON.stringify(tag)}`, error)
  }
}

/** A layer that is here already in packed form is taken in that form: that of a registry is the one that can be pushed again. */
async function resolveLayer(file: ArchiveFile, blobs: ArchiveBlobs, options: ImportOptions): Promise<Descriptor> {
  const packed = await blobs.findPacked(file.digest)
  const blob = packed ?? file
  const isPacked = detectCompression(await blobs.readStart(blob.digest, MAGIC_BYTES)) !== 'none'
  if (isPacked) return { mediaType: MEDIA_TYPE.dockerLayerGzip, ...blob }
  if (packed !== undefined || !options.compressLayers) return { mediaType: MEDIA_TYPE.dockerLayer, ...blob }
  const gzip = createGzip()
  pipeline(Readable.from(blobs.stream(file.digest)), gzip, () => {}) // errors come out of the iteration
  return blobs.write(MEDIA_TYPE.dockerLayerGzip, gzip, { [UNCOMPRESSED_LABEL]: file.digest })
}

async function platformOf(config: ArchiveFile, blobs: ArchiveBlobs): Promise<NonNullable<Descriptor['platform']>> {
  if (config.size > IMAGE_CONFIG_BYTES_MAX)
    throw new Failure('invalid-argument', `image config is larger than ${IMAGE_CONFIG_BYTES_MAX} bytes`)
  const document = parseJsonObject(await blobs.readStart(config.digest, config.size), 'image config')
  const text = (key: string) => optional(document[key], `image config ${key}`, stringOf) ?? ''
  const version = text('os.version')
  const platform = { os: text('os') || 'linux', architecture: text('architecture'), variant: text('variant') }
  return { ...normalizePlatform(platform), ...(version === '' ? {} : { 'os.version': version }) }
}
