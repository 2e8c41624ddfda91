// A store in memory: `storage.inmemory`, and the fake of the tests.
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { Failure } from '../../../base/failure.ts'
import { KeyedMutex } from '../../../base/keyed-mutex.ts'
import type { Digest } from '../../../oci/digest.ts'
import type { RepositoryName, UploadId } from '../names.ts'
import type { ByteRange, Claim, CondemnedBlob, OnStored, Pardon, RegistryStore, UploadState } from './store.ts'

interface Repository {
  links: Set<Digest>
  /** Undefined until the first manifest. */
  manifests: Set<Digest> | undefined
  referrers: Map<Digest, Set<Digest>>
  tags: Map<string, Digest>
  uploads: Map<UploadId, { startedAt: number; bytes: Buffer[] }>
}

/** Is gone with its process. */
export class MemoryStore implements RegistryStore {
  readonly #blobs = new Map<Digest, Buffer>()
  readonly #repositories = new Map<RepositoryName, Repository>()
  readonly #condemned = new Map<Digest, CondemnedBlob>()
  readonly #claims = new Map<Digest, Claim>()
  readonly #exclusive = new KeyedMutex()

  async check(): Promise<void> {}

  async removeLeftovers(): Promise<number> {
    return 0
  }

  async statBlob(digest: Digest): Promise<number | undefined> {
    return this.#blobs.get(digest)?.length
  }

  async readBlob(digest: Digest, range?: ByteRange): Promise<Readable | undefined> {
    const bytes = this.#blobs.get(digest)
    if (bytes === undefined) return undefined
    return streamOf(range === undefined ? bytes : bytes.subarray(range.start, range.end + 1))
  }

  async writeBlob(digest: Digest, bytes: Uint8Array): Promise<void> {
    this.#blobs.set(digest, Buffer.from(bytes))
  }

  async removeBlob(digest: Digest): Promise<void> {
    this.#blobs.delete(digest)
  }

  async *listBlobs(): AsyncIterable<Digest> {
    yield* [...this.#blobs.keys()]
  }

  async linkBlob(name: RepositoryName, digest: Digest): Promise<void> {
    this.#repository(name).links.add(digest)
  }

  async isBlobLinked(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#repositories.get(name)?.links.has(digest) ?? false
  }

  async unlinkBlob(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#repositories.get(name)?.links.delete(digest) ?? false
  }

  async *listBlobLinks(name: RepositoryName): AsyncIterable<Digest> {
    yield* [...(this.#repositories.get(name)?.links ?? [])]
  }

  async linkManifest(name: RepositoryName, digest: Digest, subject?: Digest): Promise<void> {
    const repository = this.#repository(name)
    repository.manifests ??= new Set()
    repository.manifests.add(digest)
    if (subject === undefined) return
    const known = repository.referrers.get(subject) ?? new Set()
    repository.referrers.set(subject, known.add(digest))
  }

  async isManifestLinked(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#repositories.get(name)?.manifests?.has(digest) ?? false
  }

  async unlinkManifest(name: RepositoryName, digest: Digest, subject?: Digest): Promise<boolean> {
    const repository = this.#repositories.get(name)
    if (subject !== undefined) repository?.referrers.get(subject)?.delete(digest)
    return repository?.manifests?.delete(digest) ?? false
  }

  async *listManifests(name: RepositoryName): AsyncIterable<Digest> {
    yield* [...(this.#repositories.get(name)?.manifests ?? [])]
  }

  async listReferrers(name: RepositoryName, subject: Digest): Promise<Digest[]> {
    return [...(this.#repositories.get(name)?.referrers.get(subject) ?? [])].sort()
  }

  async setTag(name: RepositoryName, tag: string, digest: Digest): Promise<void> {
    this.#repository(name).tags.set(tag, digest)
  }

  async createTag(name: RepositoryName, tag: string, digest: Digest): Promise<Digest | undefined> {
    const { tags } = this.#repository(name)
    const known = tags.get(tag)
    if (known === undefined) tags.set(tag, digest)
    return known
  }

  async readTag(name: RepositoryName, tag: string): Promise<Digest | undefined> {
    return this.#repositories.get(name)?.tags.get(tag)
  }

  async removeTag(name: RepositoryName, tag: string): Promise<boolean> {
    return this.#repositories.get(name)?.tags.delete(tag) ?? false
  }

  async listTags(name: RepositoryName): Promise<string[] | undefined> {
    const repository = this.#repositories.get(name)
    return repository?.manifests === undefined ? undefined : [...repository.tags.keys()].sort()
  }

  async listRepositories(): Promise<RepositoryName[]> {
    return [...this.#repositories]
      .filter(([, { manifests }]) => manifests !== undefined)
      .map(([name]) => name)
      .sort()
  }

  async listAllRepositories(): Promise<RepositoryName[]> {
    return [...this.#repositories.keys()].sort()
  }

  exclusively<T>(name: RepositoryName, work: (mustHold: () => void) => Promise<T>): Promise<T> {
    return this.#exclusive.run(name, () => work(() => {}))
  }

  async createUpload(name: RepositoryName, id: UploadId): Promise<void> {
    this.#repository(name).uploads.set(id, { startedAt: Date.now(), bytes: [] })
  }

  async statUpload(name: RepositoryName, id: UploadId): Promise<UploadState | undefined> {
    const upload = this.#repositories.get(name)?.uploads.get(id)
    return upload && { size: sizeOf(upload.bytes), startedAt: upload.startedAt }
  }

  async appendUpload(
    name: RepositoryName,
    id: UploadId,
    offset: number,
    source: AsyncIterable<Uint8Array>,
    onStored: OnStored = () => {},
  ): Promise<number> {
    const { bytes } = this.#upload(name, id)
    if (sizeOf(bytes) !== offset) throw new Failure('out-of-range', `upload ${id} has ${sizeOf(bytes)} bytes`)
    let size = offset
    for await (const part of source) {
      bytes.push(Buffer.from(part))
      size += part.length
      onStored(size)
    }
    return size
  }

  async readUpload(name: RepositoryName, id: UploadId, range?: ByteRange): Promise<Readable> {
    const bytes = Buffer.concat(this.#upload(name, id).bytes)
    return streamOf(range === undefined ? bytes : bytes.subarray(range.start, range.end + 1))
  }

  async promoteUpload(name: RepositoryName, id: UploadId, digest: Digest, size: number): Promise<void> {
    const bytes = Buffer.concat(this.#upload(name, id).bytes)
    if (bytes.length !== size) throw new Failure('not-found', `upload ${id} has changed`)
    this.#blobs.set(digest, bytes)
  }

  async removeUpload(name: RepositoryName, id: UploadId): Promise<boolean> {
    return this.#repositories.get(name)?.uploads.delete(id) ?? false
  }

  async *listUploads(name: RepositoryName): AsyncIterable<UploadId> {
    yield* [...(this.#repositories.get(name)?.uploads.keys() ?? [])]
  }

  async condemnBlob(digest: Digest, now: number): Promise<void> {
    if (!this.#condemned.has(digest)) this.#condemned.set(digest, { digest, since: now, claimed: false })
  }

  async pardonBlob(digest: Digest): Promise<Pardon> {
    const mark = this.#condemned.get(digest)
    if (mark === undefined) return 'unmarked'
    if (mark.claimed) return 'claimed'
    this.#condemned.delete(digest)
    return 'pardoned'
  }

  async claimBlob(digest: Digest, now: number): Promise<Claim | undefined> {
    return this.#condemned.get(digest)?.claimed === false ? this.#claim(digest, now) : undefined
  }

  async takeOverClaim(digest: Digest, now: number): Promise<Claim | undefined> {
    return this.#condemned.get(digest)?.claimed === true ? this.#claim(digest, now) : undefined
  }

  async holdsClaim(digest: Digest, claim: Claim): Promise<boolean> {
    return this.#condemned.get(digest)?.claimed === true && this.#claims.get(digest) === claim
  }

  #claim(digest: Digest, now: number): Claim {
    const claim = randomUUID() as string as Claim
    this.#condemned.set(digest, { digest, since: now, claimed: true })
    this.#claims.set(digest, claim)
    return claim
  }

  async releaseBlob(digest: Digest): Promise<void> {
    this.#condemned.delete(digest)
    this.#claims.delete(digest)
  }

  async *listCondemned(): AsyncIterable<CondemnedBlob> {
    yield* [...this.#condemned.values()]
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #repository(name: RepositoryName): Repository {
    const known = this.#repositories.get(name) ?? {
      ...{ links: new Set<Digest>(), manifests: undefined, referrers: new Map() },
      ...{ tags: new Map(), uploads: new Map() },
    }
    this.#repositories.set(name, known)
    return known
  }

  #upload(name: RepositoryName, id: UploadId) {
    const upload = this.#repositories.get(name)?.uploads.get(id)
    if (upload === undefined) throw new Failure('not-found', `no upload ${id}`)
    return upload
  }
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function streamOf(bytes: Buffer): Readable {
  return Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false })
}
