// Manifest lists that are being put together: a directory per list under `manifests` of the configuration, a file per image, as the
// Docker CLI keeps them (cli/manifest/store), so that both clients work on the same ones.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { replaceFileSync } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import { goJson, indentJson } from '../../base/go/go-json.ts'
import { parseDescriptor } from '../../oci/parse-manifest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'

export interface ListedPlatform {
  architecture: string
  os: string
  'os.version'?: string
  'os.features'?: string[]
  variant?: string
}

/** One image of a list. */
export interface ListedManifest {
  /** With its tag or digest. */
  ref: string
  descriptor: { mediaType: string; digest: string; size: number; platform?: ListedPlatform }
  /** Its bytes in the registry; undefined where an old client stored it without them. */
  raw: Buffer | undefined
  /** The manifest as text, to be shown. */
  text: string
}

const FILE_BYTES_MAX = 16 * 1024 * 1024

/** Throws Failure('not-found') where the list has no such image. */
export function readListed(directory: string, list: string, ref: string): ListedManifest {
  return readFile(`${listDirectory(directory, list)}/${fileName(ref)}`, ref)
}

/** In the order of their files' names. Throws Failure('not-found') where there is no such list. */
export function readList(directory: string, list: string): ListedManifest[] {
  const path = listDirectory(directory, list)
  let names: string[]
  try {
    names = readdirSync(path).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missing(list)
    throw error
  }
  return names.map((name) => readFile(`${path}/${name}`, list))
}

export function saveListed(directory: string, list: string, ref: string, manifest: ListedManifest): void {
  const path = listDirectory(directory, list)
  mkdirSync(path, { recursive: true, mode: 0o755 })
  // Each file in the directory is an image of the list, for the Docker CLI too: what a killed client leaves must not be one.
  replaceFileSync(`${path}/${fileName(ref)}`, formatListed(manifest), 0o644, path)
}

export function removeList(directory: string, list: string): void {
  rmSync(listDirectory(directory, list), { recursive: true, force: true })
}

/** Compact, as Go writes it. */
export function formatListed({ ref, descriptor, raw, text }: ListedManifest): string {
  const { mediaType, digest, size, platform } = descriptor
  const fields = [
    `"Ref":${goJson(ref, true)}`,
    `"Descriptor":${goJson({ mediaType, digest, size, ...(platform ? { platform: orderPlatform(platform) } : {}) }, true)}`,
    ...(raw === undefined ? [] : [`"Raw":"${raw.toString('base64')}"`]),
    `"${mediaType === MEDIA_TYPE.ociManifest ? 'OCIManifest' : 'SchemaV2Manifest'}":${compact(text)}`,
  ]
  return `{${fields.join(',')}}`
}

/** Go writes the fields of a platform in this order, and leaves out what is empty but the first two. */
export function orderPlatform(platform: ListedPlatform): ListedPlatform {
  const { architecture, os, variant, 'os.version': version, 'os.features': features } = platform
  return {
    ...{ architecture, os },
    ...(version ? { 'os.version': version } : {}),
    ...(features !== undefined && features.length > 0 ? { 'os.features': features } : {}),
    ...(variant ? { variant } : {}),
  }
}

/** Without whitespace between tokens, and with what means something in HTML escaped, as Go embeds JSON in JSON. */
function compact(text: string): string {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? []
  const escaped = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  return tokens.join('').replace(/[<>&\u2028\u2029]/g, escaped)
}

function readFile(path: string, ref: string): ListedManifest {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missing(ref)
    throw error
  }
  if (bytes.length > FILE_BYTES_MAX) throw new Failure('resource-exhausted', `${path} is larger than any manifest`)
  const file = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>
  const document = file['SchemaV2Manifest'] ?? file['OCIManifest']
  const own = String(file['Ref'] ?? ref)
  if (document === undefined) throw new Failure('invalid-argument', `${own} has no payload`)
  const given = file['Descriptor'] as { platform?: ListedPlatform }
  const { mediaType, digest, size } = parseDescriptor(given, 'Descriptor')
  const raw = typeof file['Raw'] === 'string' ? Buffer.from(file['Raw'], 'base64') : undefined
  return {
    ref: own,
    descriptor: { mediaType, digest, size, ...(given.platform ? { platform: given.platform } : {}) },
    raw,
    text: compact(raw === undefined ? goJson(document) : raw.toString('utf8')),
  }
}

function listDirectory(directory: string, list: string): string {
  return `${directory}/manifests/${fileName(list)}`
}

/** No slash is left, so that no name leads out of the directory. */
function fileName(ref: string): string {
  return ref.replaceAll(':', '-').replaceAll('/', '_')
}

function missing(ref: string): Failure {
  return new Failure('not-found', `No such manifest: ${ref}`)
}

/** As `inspect -v` shows it. */
export function showListed(manifest: ListedManifest | readonly ListedManifest[]): string {
  const text = 'ref' in manifest ? formatListed(manifest) : `[${manifest.map(formatListed).join(',')}]`
  return `${indentJson(text, '\t')}\n`
}
