// Manifests and indexes (image-spec manifest.md, image-index.md; Docker's schema 2). Documents come from strangers.
import { Failure } from '../base/failure.ts'
import type { Descriptor } from './descriptor.ts'
import { parseDigest } from './digest.ts'
import { listOf, numberOf, objectOf, optional, parseJsonObject, stringMapOf, stringOf } from './json-shape.ts'
import { isIndexType, isManifestType, MEDIA_TYPE } from './media-type.ts'

/** Distribution's own bound for a manifest. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024

export interface Manifest {
  kind: 'manifest'
  mediaType: string
  config: Descriptor
  layers: Descriptor[]
  artifactType?: string
  subject?: Descriptor
  annotations?: Record<string, string>
}

export interface Index {
  kind: 'index'
  mediaType: string
  manifests: Descriptor[]
  artifactType?: string
  subject?: Descriptor
  annotations?: Record<string, string>
}

/**
 * `mediaType` is what the document was announced as. A document that is both an index and a manifest could mean one thing to who
 * signed it and another to who runs it (CVE-2021-41190), so it is refused, as is one that calls itself something else.
 */
export function parseManifestOrIndex(bytes: Uint8Array, mediaType: string): Manifest | Index {
  if (bytes.length > MANIFEST_BYTES_MAX)
    throw new Failure('resource-exhausted', `manifest is larger than ${MANIFEST_BYTES_MAX} bytes`)
  const document = parseJsonObject(bytes, 'manifest')
  const announced = mediaType === '' ? typeOf(document) : mediaType
  const own = optional(document['mediaType'], 'manifest.mediaType', stringOf)
  if (own !== undefined && own !== '' && own !== announced)
    throw new Failure('invalid-argument', `manifest calls itself ${own} but was announced as ${announced}`)
  const common = {
    mediaType: announced,
    ...defined('artifactType', optional(document['artifactType'], 'manifest.artifactType', stringOf)),
    ...defined('subject', optional(document['subject'], 'manifest.subject', parseDescriptor)),
    ...defined('annotations', optional(document['annotations'], 'manifest.annotations', stringMapOf)),
  }
  if (isIndexType(announced)) {
    if ('layers' in document || 'config' in document || 'fsLayers' in document)
      throw new Failure('invalid-argument', `index holds what belongs to a manifest`)
    return { kind: 'index', ...common, manifests: listOf(document['manifests'], 'index.manifests', parseDescriptor) }
  }
  if (isManifestType(announced)) {
    if ('manifests' in document || 'fsLayers' in document)
      throw new Failure('invalid-argument', `manifest holds what belongs to an index`)
    return {
      kind: 'manifest',
      ...common,
      config: parseDescriptor(document['config'], 'manifest.config'),
      layers: listOf(document['layers'], 'manifest.layers', parseDescriptor),
    }
  }
  if (announced === MEDIA_TYPE.dockerSchema1 || announced === MEDIA_TYPE.dockerSchema1Signed)
    throw new Failure(
      'invalid-argument',
      'Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed',
    )
  throw new Failure('invalid-argument', `unsupported manifest media type and no default available: ${announced}`)
}

/** A descriptor of a document; sizes are whole and not negative. */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  const object = objectOf(value, what)
  const size = numberOf(object['size'], `${what}.size`)
  if (size < 0) throw new Failure('invalid-argument', `${what}.size: negative`)
  return {
    mediaType: stringOf(object['mediaType'], `${what}.mediaType`),
    digest: parseDigest(stringOf(object['digest'], `${what}.digest`)),
    size,
    ...defined(
      'urls',
      optional(object['urls'], `${what}.urls`, (urls, at) => listOf(urls, at, stringOf, 100)),
    ),
    ...defined('annotations', optional(object['annotations'], `${what}.annotations`, stringMapOf)),
    ...defined('platform', optional(object['platform'], `${what}.platform`, parseDescriptorPlatform)),
    ...defined('artifactType', optional(object['artifactType'], `${what}.artifactType`, stringOf)),
  }
}

function parseDescriptorPlatform(value: unknown, what: string): NonNullable<Descriptor['platform']> {
  const object = objectOf(value, what)
  return {
    architecture: stringOf(object['architecture'], `${what}.architecture`),
    os: stringOf(object['os'], `${what}.os`),
    ...defined('variant', optional(object['variant'], `${what}.variant`, stringOf)),
    ...defined('os.version', optional(object['os.version'], `${what}.os.version`, stringOf)),
  }
}

/** Registries that answer without a usable Content-Type leave only the document's own word. */
function typeOf(document: Readonly<Record<string, unknown>>): string {
  const own = document['mediaType']
  if (typeof own === 'string' && own !== '') return own
  return 'manifests' in document ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest
}

function defined<K extends string, V>(key: K, value: V | undefined): { [Key in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [Key in K]?: V }
}
