// A context as an archive: tar as the Docker CLI writes it, tar or zip as it reads them. What comes in is anybody's.
import { Failure } from '../../base/failure.ts'
import { goJson, sortKeys } from '../../base/go/go-json.ts'
import { byteString, displayName, NO_XATTRS, type TarEntry } from '../../wire/tar/entry.ts'
import { readTar } from '../../wire/tar/read-tar.ts'
import { type TarSource, writeTar } from '../../wire/tar/write-tar.ts'
import { type ContextMetadata, type ContextStore, parseMetadata, type TlsData } from './context-store.ts'
import { isZip, readZip } from './read-zip.ts'

const META_FILE = 'meta.json'
/** The Docker CLI's own limit. */
const ARCHIVE_BYTES_MAX = 10 << 20
const ENTRIES_MAX = 1000
/** Of Linux's file systems, less what a draft's name takes. */
const NAME_BYTES_MAX = 200

/** @param metadata what is told of the context: a copy may have another description. */
export async function exportContext(metadata: ContextMetadata, tls: Record<string, TlsData>): Promise<Buffer> {
  const { Name, Metadata, Endpoints } = metadata
  const meta = Buffer.from(goJson({ Name, Metadata: sortKeys(Metadata), Endpoints: sortKeys(Endpoints) }, true))
  const sources: TarSource[] = [fileEntry(META_FILE, 0o644, meta), directoryEntry('tls')]
  for (const [endpoint, files] of Object.entries(tls)) {
    sources.push(directoryEntry(`tls/${endpoint}`))
    for (const [file, bytes] of Object.entries(files)) sources.push(fileEntry(`tls/${endpoint}/${file}`, 0o600, bytes))
  }
  const parts: Buffer[] = []
  for await (const part of writeTar(sources)) parts.push(part)
  return Buffer.concat(parts)
}

const BLANK: Omit<TarEntry, 'name' | 'type' | 'mode' | 'size'> = {
  ...{
    linkName: '',
    uid: 0,
    gid: 0,
    mtime: { seconds: 0, nanos: 0 },
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: NO_XATTRS,
  },
}

function fileEntry(name: string, mode: number, bytes: Buffer): TarSource {
  return { entry: { ...BLANK, name: byteString(name), type: 'file', mode, size: bytes.length }, content: [bytes] }
}

function directoryEntry(name: string): TarSource {
  return { entry: { ...BLANK, name: byteString(name), type: 'directory', mode: 0o700, size: 0 } }
}

/** Stores what an archive holds under `name`. Nothing is stored unless all of it can be read. Throws in the Docker CLI's words. */
export async function importContext(
  archive: AsyncIterable<Uint8Array>,
  name: string,
  store: ContextStore,
): Promise<void> {
  const bytes = await readBounded(archive)
  const files = isZip(bytes) ? readZip(bytes, ENTRIES_MAX, ARCHIVE_BYTES_MAX) : await readTarFiles(bytes)
  let metadata: ContextMetadata | undefined
  const tls = new Map<string, TlsData>()
  for (const [path, content] of files) {
    checkPath(path)
    if (path === META_FILE) metadata = { ...parseMetadata(content.toString('utf8')), Name: name }
    else addTls(tls, path, content)
  }
  if (metadata === undefined) throw new Failure('invalid-argument', 'invalid context: no metadata found')
  store.save(metadata)
  for (const [endpoint, data] of tls) store.saveTls(name, endpoint, data)
}

async function readBounded(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of source) {
    size += part.length
    if (size > ARCHIVE_BYTES_MAX) throw new Failure('invalid-argument', 'read exceeds the defined limit')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function readTarFiles(bytes: Buffer): Promise<[string, Buffer][]> {
  // Whole blocks without their end marker are an archive to Go's reader.
  if (bytes.length % 512 !== 0) throw new Failure('invalid-argument', 'unexpected EOF')
  const files: [string, Buffer][] = []
  const source = async function* () {
    yield Buffer.concat([bytes, Buffer.alloc(1024)])
  }
  for await (const { entry, content } of readTar(source(), { entriesMax: ENTRIES_MAX, metadataBytesMax: 64 * 1024 })) {
    const parts: Buffer[] = []
    for await (const part of content) parts.push(part)
    if (entry.type === 'file') files.push([displayName(entry.name), Buffer.concat(parts)])
  }
  return files
}

/** A name can leave no directory of its own. */
function checkPath(path: string): void {
  const refuse = (why: string) => new Failure('invalid-argument', `${path}: ${why}`)
  if (path !== META_FILE && !path.startsWith('tls/')) throw refuse('unexpected context file')
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw refuse('unexpected path format')
  if (path.includes('\\')) throw refuse("unexpected '\\' in path")
  if (path.includes('\0') || path.split('/').some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX))
    throw refuse('unexpected path format') // no file can have such a name
}

function addTls(tls: Map<string, TlsData>, path: string, content: Buffer): void {
  const [, endpoint, file, ...more] = path.split('/')
  if (endpoint === undefined || file === undefined || more.length > 0)
    throw new Failure('invalid-argument', 'archive format is invalid')
  tls.set(endpoint, { ...tls.get(endpoint), [file]: content })
}
