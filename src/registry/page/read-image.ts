// One manifest with what there is to say about it: an index's platforms, an image's configuration, layers and history.
import { messageOf } from '../../base/failure.ts'
import { isAttestation } from '../../oci/attestation.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { isConfigType } from '../../oci/media-type.ts'
import { IMAGE_CONFIG_BYTES_MAX, type ImageConfig, parseImageConfig } from '../../oci/parse-image-config.ts'
import { type Index, type Manifest, MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { formatPlatform } from '../../oci/parse-platform.ts'
import { parseDigest } from '../../oci/digest.ts'
import { ACCEPTED } from './read-lists.ts'
import { readBytes, type Session } from './session.ts'

export interface Image {
  digest: string
  /** Of the manifest itself. */
  manifestBytes: number
  document: Manifest | Index
  /** Undefined for what is no image, and where it could not be read. */
  config: ImageConfig | undefined
  /** Why it could not. */
  problem: string | undefined
}

/** Throws Failure for a manifest that is not there or not one. */
export async function readImage(
  session: Session,
  name: string,
  reference: string,
  signal: AbortSignal,
): Promise<Image> {
  const asked = { accept: ACCEPTED, repository: name, signal }
  const answer = await session.request(`${name}/manifests/${reference}`, asked)
  const bytes = await readBytes(answer, MANIFEST_BYTES_MAX)
  const document = parseManifestOrIndex(bytes, '')
  const digest = parseDigest(answer.headers.get('docker-content-digest') ?? '')
  const image = { digest, manifestBytes: bytes.length, document }
  if (document.kind === 'index' || !isConfigType(document.config.mediaType))
    return { ...image, config: undefined, problem: undefined }
  try {
    return { ...image, config: await readConfig(session, name, document.config, signal), problem: undefined }
  } catch (error) {
    return { ...image, config: undefined, problem: messageOf(error) }
  }
}

async function readConfig(
  session: Session,
  name: string,
  { digest }: Descriptor,
  signal: AbortSignal,
): Promise<ImageConfig> {
  const answer = await session.request(`${name}/blobs/${digest}`, { repository: name, signal })
  return parseImageConfig(await readBytes(answer, IMAGE_CONFIG_BYTES_MAX))
}

/** What a pull transfers besides the manifest; undefined for an index, of which only a part is pulled. */
export function pulledBytes({ document }: Image): number | undefined {
  if (document.kind === 'index') return undefined
  return document.layers.reduce((sum, { size }) => sum + size, document.config.size)
}

/** As somebody wrote it: it need not be a time. */
export function createdOf({ document, config }: Image): string | undefined {
  return config?.created ?? document.annotations?.['org.opencontainers.image.created']
}

export function platformsOf({ document, config }: Image): string[] {
  if (document.kind === 'manifest') return config === undefined ? [] : [formatPlatform(config)]
  return document.manifests.filter((each) => !isAttestation(each)).flatMap(platformOf)
}

export function platformOf({ platform }: Descriptor): string[] {
  return platform === undefined ? [] : [formatPlatform(platform)]
}

export interface HistoryLine {
  created: string | undefined
  /** What was run, or what somebody says about it. */
  command: string
  /** Undefined for a step that made none, or whose layer is not there. */
  layer: Descriptor | undefined
}

/** Steps and layers, each by its own order: a step that is not marked as empty has made the next layer. */
export function historyOf(config: ImageConfig, layers: readonly Descriptor[]): HistoryLine[] {
  let at = 0
  return config.history.map(({ created, created_by, comment, empty_layer }) => ({
    created,
    command: [created_by, comment].filter((text) => text !== undefined && text !== '').join(' # '),
    layer: empty_layer === true ? undefined : layers[at++],
  }))
}
