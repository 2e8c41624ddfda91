// An image archive, as docker save, skopeo, buildkit and containerd write them: one tar with blobs, and documents that say what they are.
import { posix } from 'node:path'
import { Failure, withSubject } from '../../base/failure.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import { describeJsonError, listOf, objectOf, optional, stringOf } from '../../oci/json-shape.ts'
import { displayName } from '../../wire/tar/entry.ts'
import { readTar, type TarItem } from '../../wire/tar/read-tar.ts'

export interface ArchiveFile {
  digest: Digest
  size: number
}

/** An entry of Docker's manifest.json: names of files in the archive. */
export interface SavedImage {
  config: string
  repoTags: string[]
  layers: string[]
}

export interface ArchiveContents {
  /** By cleaned name. Names are keys here and nothing else: none ever becomes a path. */
  files: ReadonlyMap<string, ArchiveFile>
  /** Docker's older archives have a layer once and links to it. */
  links: ReadonlyMap<string, string>
  /** Of `oci-layout`: the archive is an OCI layout. */
  layoutVersion: string | undefined
  /** Of `manifest.json`: the archive is Docker's. */
  saved: SavedImage[] | undefined
}

/**
 * Stores a file of the archive, whose content it reads to the end. `expected`: what the file's name says its digest is; bytes of
 * another are refused, and ones that are stored already need not be read.
 */
export type StoreFile = (
  file: { name: string; size: number; expected: Digest | undefined },
  content: AsyncIterable<Buffer>,
) => Promise<Digest>

/** Far above any image's number of blobs. */
const ENTRIES_MAX = 100_000
const METADATA_BYTES_MAX = 1024 * 1024
/** containerd's bound on such a document. */
const JSON_BYTES_MAX = 20 * 1024 * 1024
const LAYOUT_BYTES_MAX = 64 * 1024
const IMAGES_MAX = 10_000
/** Of all files together: nothing in use is that large, and a few compressed bytes may claim to be. */
const FILES_BYTES_MAX = 2 ** 40
const NAME_BYTES_MAX = 4096

/** `archive` is a plain tar. Throws Failure('invalid-argument') naming the entry, and what `store` and the source throw. */
export async function readArchive(archive: AsyncIterable<Buffer>, store: StoreFile): Promise<ArchiveContents> {
  const files = new Map<string, ArchiveFile>()
  const links = new Map<string, string>()
  let layoutVersion: string | undefined
  let saved: SavedImage[] | undefined
  let total = 0
  for await (const item of readTar(archive, { entriesMax: ENTRIES_MAX, metadataBytesMax: METADATA_BYTES_MAX })) {
    const { type, size } = item.entry
    if (type !== 'file' && type !== 'symlink') continue
    total += size
    if (total > FILES_BYTES_MAX)
      throw new Failure('resource-exhausted', `image archive holds more than ${FILES_BYTES_MAX} bytes`)
    const name = nameOf(item)
    if (type === 'symlink') links.set(name, posix.join(posix.dirname(name), displayName(item.entry.linkName)))
    else if (name === 'oci-layout') layoutVersion = parseLayout(await readJson(item, LAYOUT_BYTES_MAX))
    else if (name === 'manifest.json') saved = parseSaved(await readJson(item, JSON_BYTES_MAX))
    else files.set(name, { digest: await storeFile(store, name, item), size })
  }
  return { files, links, layoutVersion, saved }
}

async function storeFile(store: StoreFile, name: string, { entry, content }: TarItem): Promise<Digest> {
  let done = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    try {
      for await (const part of content) {
        done += part.length
        yield part
      }
    } catch (error) {
      throw withSubject(`short read: expected ${entry.size} bytes but got ${done}`, error)
    }
  }
  try {
    return await store({ name, size: entry.size, expected: digestOfName(name) }, counted())
  } catch (error) {
    throw withSubject(`failed to ingest ${JSON.stringify(displayName(entry.name))}`, error)
  }
}

function nameOf({ entry }: TarItem): string {
  if (entry.name.length > NAME_BYTES_MAX)
    throw new Failure('invalid-argument', `name of more than ${NAME_BYTES_MAX} bytes in image archive`)
  return posix.normalize(displayName(entry.name))
}

/** Blobs of an OCI layout are called by their digest. */
function digestOfName(name: string): Digest | undefined {
  const [, algorithm, hex] = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(name) ?? []
  if (algorithm === undefined) return undefined
  try {
    return parseDigest(`${algorithm}:${hex}`)
  } catch {
    return undefined // a file of that folder, but no blob
  }
}

async function readJson({ entry, content }: TarItem, sizeMax: number): Promise<unknown> {
  const name = displayName(entry.name)
  if (entry.size > sizeMax)
    throw new Failure('invalid-argument', `untar manifest "${name}": larger than ${sizeMax} bytes`)
  const parts: Buffer[] = []
  for await (const part of content) parts.push(part)
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch (error) {
    const subject = name.endsWith('oci-layout') ? 'untar oci layout' : 'untar manifest'
    throw new Failure('invalid-argument', `${subject} "${name}": ${describeJsonError(error)}`, { cause: error })
  }
}

function parseLayout(value: unknown): string {
  return optional(objectOf(value, 'oci-layout')['imageLayoutVersion'], 'oci-layout', stringOf) ?? ''
}

function parseSaved(value: unknown): SavedImage[] {
  try {
    return listOf(value, 'manifest.json', parseSavedImage, IMAGES_MAX)
  } catch (error) {
    throw withSubject('untar manifest "manifest.json"', error)
  }
}

function parseSavedImage(value: unknown, what: string): SavedImage {
  const image = objectOf(value, what)
  return {
    config: posix.normalize(optional(image['Config'], `${what}.Config`, stringOf) ?? ''),
    repoTags: listOf(image['RepoTags'], `${what}.RepoTags`, stringOf),
    layers: listOf(image['Layers'], `${what}.Layers`, stringOf).map((name) => posix.normalize(name)),
  }
}
