// The store in a bucket of an S3 server, for any number of nodes: nothing is kept between requests, and where two nodes must not both win
// (a tag that is made once, a pardon and a claim, two appends) S3's conditional writes decide. The server must have them (If-None-Match and
// If-Match of PUT) and must list what it has just stored, as Amazon's does.
//
// A collector's mark is one object: empty when the blob was pardoned, else its state. It is only ever written under a condition, and
// removed only by who has claimed it.
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { Failure } from '../../../base/failure.ts'
import { KeyedMutex } from '../../../base/keyed-mutex.ts'
import type { Digest } from '../../../oci/digest.ts'
import { parseRepositoryName, parseTag, parseUploadId, type RepositoryName, type UploadId } from '../names.ts'
import * as layout from './layout.ts'
import { LinkedStore } from './linked-store.ts'
import { S3Client, type S3Settings } from './s3-client.ts'
import { withLease } from './s3-lease.ts'
import { appendParts, joinParts, listParts, readParts, sizeOf } from './s3-uploads.ts'
import type { ByteRange, Claim, CondemnedBlob, OnStored, Pardon, RegistryStore, UploadState } from './store.ts'

const MARKER = '.repository'

/** The object that an upload begins and ends with. */
const startedAt = (name: RepositoryName, id: UploadId): string => `${layout.uploadPath(name, id)}/startedat`

export class S3Store extends LinkedStore implements RegistryStore {
  readonly #client: S3Client
  /** Of one node's requests one at a time asks for a lease. */
  readonly #exclusive = new KeyedMutex()

  constructor(settings: S3Settings) {
    super()
    this.#client = new S3Client(settings)
  }

  async check(): Promise<void> {
    const key = `${layout.ROOT}/.probe-${randomUUID()}`
    await this.#client.put(key, 'x')
    // A server that does not know conditions would let two nodes win.
    const isTwice = await this.#client.put(key, 'y', { ifNoneMatch: '*' })
    await this.#client.remove(key)
    if (isTwice) throw new Failure('failed-precondition', 'the S3 server does not know conditional writes')
  }

  /** Blobs that were being put together, and objects of uploads whose removal had begun. */
  async removeLeftovers(before: number): Promise<number> {
    let count = 0
    for await (const multipart of this.#client.listMultiparts(`${layout.ROOT}/`)) {
      if (multipart.startedAt >= before) continue
      await this.#client.abortMultipart(multipart)
      count++
    }
    for (const name of await this.#repositories(['_uploads']))
      for await (const id of this.listUploads(name)) {
        if (await this.exists(startedAt(name, id))) continue
        for await (const entry of this.#client.list(`${layout.uploadPath(name, id)}/`)) {
          if (!('key' in entry) || entry.modifiedAt >= before) continue
          await this.#client.remove(entry.key)
          count++
        }
      }
    return count
  }

  async statBlob(digest: Digest): Promise<number | undefined> {
    return (await this.#client.head(layout.blobPath(digest)))?.size
  }

  async readBlob(digest: Digest, range?: ByteRange): Promise<Readable | undefined> {
    return this.#client.get(layout.blobPath(digest), range)
  }

  async writeBlob(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.#client.put(layout.blobPath(digest), bytes)
  }

  removeBlob(digest: Digest): Promise<void> {
    return this.#client.remove(layout.blobPath(digest))
  }

  async *listBlobs(): AsyncIterable<Digest> {
    for await (const key of this.#keys(`${layout.BLOBS}/`)) {
      const [, algorithm, hex] = /\/blobs\/(\w+)\/[0-9a-f]{2}\/([0-9a-f]+)\/data$/.exec(key) ?? []
      const digest = layout.tryDigest(`${algorithm}:${hex}`)
      if (digest !== undefined) yield digest
    }
  }

  override async linkManifest(name: RepositoryName, digest: Digest, subject?: Digest): Promise<void> {
    // A repository is one from its first manifest on, whatever becomes of that.
    const marker = `${layout.manifestsPath(name)}/${MARKER}`
    if (!(await this.exists(marker))) await this.#client.put(marker, name)
    await super.linkManifest(name, digest, subject)
  }

  async setTag(name: RepositoryName, tag: string, digest: Digest): Promise<void> {
    await this.link(layout.tagIndexPath(name, tag, digest), digest)
    await this.#client.put(layout.currentPath(name, tag), digest)
  }

  async createTag(name: RepositoryName, tag: string, digest: Digest): Promise<Digest | undefined> {
    if (!(await this.#client.put(layout.currentPath(name, tag), digest, { ifNoneMatch: '*' })))
      return (await this.readTag(name, tag)) ?? digest
    await this.link(layout.tagIndexPath(name, tag, digest), digest)
    return undefined
  }

  async readTag(name: RepositoryName, tag: string): Promise<Digest | undefined> {
    const found = await this.#client.getText(layout.currentPath(name, tag))
    return found === undefined ? undefined : layout.tryDigest(found.text)
  }

  async removeTag(name: RepositoryName, tag: string): Promise<boolean> {
    const removed = await this.unlink(layout.currentPath(name, tag))
    for await (const key of this.#keys(`${layout.tagPath(name, tag)}/`)) await this.#client.remove(key)
    return removed
  }

  async listTags(name: RepositoryName): Promise<string[] | undefined> {
    const folder = `${layout.tagsPath(name)}/`
    const found: string[] = []
    for await (const key of this.#keys(folder)) {
      const tag = /^([^/]+)\/current\/link$/.exec(key.slice(folder.length))?.[1]
      if (tag !== undefined && parseTag(tag) !== undefined) found.push(tag)
    }
    if (found.length > 0) return found.sort()
    for await (const _ of this.#client.list(`${layout.manifestsPath(name)}/`)) return []
    return undefined
  }

  listRepositories(): Promise<RepositoryName[]> {
    return this.#repositories(['_manifests'])
  }

  listAllRepositories(): Promise<RepositoryName[]> {
    return this.#repositories(['_manifests', '_layers', '_uploads'])
  }

  exclusively<T>(name: RepositoryName, work: (mustHold: () => void) => Promise<T>): Promise<T> {
    return this.#exclusive.run(name, () => withLease(this.#client, layout.lockPath(name), work))
  }

  async createUpload(name: RepositoryName, id: UploadId): Promise<void> {
    await this.#client.put(startedAt(name, id), new Date().toISOString())
  }

  async statUpload(name: RepositoryName, id: UploadId): Promise<UploadState | undefined> {
    const started = await this.#client.getText(startedAt(name, id))
    if (started === undefined) return undefined
    return { size: sizeOf(await listParts(this.#client, name, id)), startedAt: Date.parse(started.text) }
  }

  async appendUpload(
    name: RepositoryName,
    id: UploadId,
    offset: number,
    source: AsyncIterable<Uint8Array>,
    onStored: OnStored = () => {},
  ): Promise<number> {
    const state = await this.statUpload(name, id)
    if (state === undefined) throw new Failure('not-found', `no upload ${id}`)
    if (state.size !== offset) throw new Failure('out-of-range', `upload ${id} has ${state.size} bytes`)
    return appendParts(this.#client, { name, id }, offset, source, onStored)
  }

  async readUpload(name: RepositoryName, id: UploadId, range?: ByteRange): Promise<Readable> {
    return readParts(this.#client, await listParts(this.#client, name, id), range)
  }

  async promoteUpload(name: RepositoryName, id: UploadId, digest: Digest, size: number): Promise<void> {
    // Another node may be adding to the upload, or removing it, after which others' bytes could come to lie in the same places. Parts that
    // are listed before the upload is seen to be there still are those that were verified; their versions are what is put together.
    const parts = (await listParts(this.#client, name, id)).filter(({ offset }) => offset < size)
    if (sizeOf(parts) !== size || !(await this.exists(startedAt(name, id))))
      throw new Failure('not-found', `upload ${id} has changed`)
    await joinParts(this.#client, parts, layout.blobPath(digest))
  }

  async removeUpload(name: RepositoryName, id: UploadId): Promise<boolean> {
    const removed = await this.unlink(startedAt(name, id))
    for await (const key of this.#keys(`${layout.uploadPath(name, id)}/`)) await this.#client.remove(key)
    return removed
  }

  async *listUploads(name: RepositoryName): AsyncIterable<UploadId> {
    for await (const folder of this.#folders(layout.uploadsPath(name))) {
      const id = parseUploadId(folder)
      if (id !== undefined) yield id
    }
  }

  async condemnBlob(digest: Digest, now: number): Promise<void> {
    const key = layout.condemnedPath(digest)
    const known = await this.#client.getText(key)
    if (known === undefined) await this.#client.put(key, `condemned ${now}`, { ifNoneMatch: '*' })
    else if (known.text === '') await this.#client.put(key, `condemned ${now}`, { ifMatch: known.etag })
  }

  async pardonBlob(digest: Digest): Promise<Pardon> {
    const key = layout.condemnedPath(digest)
    for (;;) {
      const mark = await this.#client.getText(key)
      if (mark === undefined || mark.text === '') return 'unmarked'
      if (mark.text.startsWith('claimed')) return 'claimed'
      if (await this.#client.put(key, '', { ifMatch: mark.etag })) return 'pardoned'
    }
  }

  claimBlob(digest: Digest, now: number): Promise<Claim | undefined> {
    return this.#claim(digest, now, 'condemned')
  }

  takeOverClaim(digest: Digest, now: number): Promise<Claim | undefined> {
    return this.#claim(digest, now, 'claimed')
  }

  async holdsClaim(digest: Digest, claim: Claim): Promise<boolean> {
    return (await this.#client.getText(layout.condemnedPath(digest)))?.text === claim
  }

  async #claim(digest: Digest, now: number, from: 'condemned' | 'claimed'): Promise<Claim | undefined> {
    const mark = await this.#client.getText(layout.condemnedPath(digest))
    if (mark === undefined || !mark.text.startsWith(from)) return undefined
    const claim = `claimed ${now} ${randomUUID()}` as Claim
    return (await this.#client.put(layout.condemnedPath(digest), claim, { ifMatch: mark.etag })) ? claim : undefined
  }

  releaseBlob(digest: Digest): Promise<void> {
    return this.#client.remove(layout.condemnedPath(digest))
  }

  async *listCondemned(): AsyncIterable<CondemnedBlob> {
    for await (const entry of this.#client.list(`${layout.CONDEMNED}/`)) {
      if (!('key' in entry) || entry.size === 0) continue
      const digest = layout.tryDigest(entry.key.slice(layout.CONDEMNED.length + 1).replace('/', ':'))
      const mark = await this.#client.getText(entry.key)
      const [, state, since] = /^(condemned|claimed) (\d+)/.exec(mark?.text ?? '') ?? []
      if (digest !== undefined && state !== undefined)
        yield { digest, since: Number(since), claimed: state === 'claimed' }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  protected async exists(key: string): Promise<boolean> {
    return (await this.#client.head(key)) !== undefined
  }

  protected async link(folder: string, digest: Digest): Promise<void> {
    if (!(await this.exists(`${folder}/link`))) await this.#client.put(`${folder}/link`, digest)
  }

  protected async unlink(key: string): Promise<boolean> {
    if (!(await this.exists(key))) return false
    await this.#client.remove(key)
    return true
  }

  async *#keys(prefix: string): AsyncGenerator<string> {
    for await (const entry of this.#client.list(prefix)) if ('key' in entry) yield entry.key
  }

  /** Names one level below. */
  async *#folders(path: string): AsyncGenerator<string> {
    for await (const entry of this.#client.list(`${path}/`, '/'))
      if ('folder' in entry) yield entry.folder.slice(path.length + 1, -1)
  }

  protected async *links(path: string): AsyncIterable<Digest> {
    for await (const key of this.#keys(`${path}/`)) {
      const digest = layout.tryDigest(key.slice(path.length + 1, -'/link'.length).replace('/', ':'))
      if (digest !== undefined && key.endsWith('/link')) yield digest
    }
  }

  /** Those that have one of these folders. */
  async #repositories(marks: readonly string[]): Promise<RepositoryName[]> {
    const found: RepositoryName[] = []
    const walk = async (prefix: string): Promise<void> => {
      const below: string[] = []
      for await (const folder of this.#folders(
        prefix === '' ? layout.REPOSITORIES : `${layout.REPOSITORIES}/${prefix}`,
      ))
        below.push(folder)
      const own = parseRepositoryName(prefix)
      if (own !== undefined && below.some((folder) => marks.includes(folder))) found.push(own)
      for (const folder of below) {
        const path = prefix === '' ? folder : `${prefix}/${folder}`
        if (parseRepositoryName(path) !== undefined) await walk(path)
      }
    }
    await walk('')
    return found.sort()
  }
}
