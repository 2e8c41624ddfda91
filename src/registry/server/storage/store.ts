// What the registry needs of the place where its content lies: blobs by digest, each stored once; links that say which repository may
// see which blob; manifests, tags and referrers of repositories; uploads in progress; and the collector's marks.
//
// Everything that returns has been done and survives power loss, appended bytes of uploads excepted. All methods may be called by several
// processes or nodes at once, as far as the implementation says so. What is not there is `undefined` or `false`, never an error.
import type { Readable } from 'node:stream'
import type { Digest } from '../../../oci/digest.ts'
import type { RepositoryName, UploadId } from '../names.ts'

/** Bytes from `start` up to and including `end`. */
export interface ByteRange {
  start: number
  end: number
}

export type OnStored = (size: number) => void

export interface UploadState {
  /** Bytes that have been taken. */
  size: number
  /** Milliseconds since the epoch. */
  startedAt: number
}

/** What came of taking away a collector's mark. `claimed`: the collector is about to remove the blob, and nobody may count on it. */
export type Pardon = 'unmarked' | 'pardoned' | 'claimed'

/** Which of all claims ever made it is. */
export type Claim = string & { readonly __brand: 'Claim' }

export interface CondemnedBlob {
  digest: Digest
  /** When it was condemned, or claimed; milliseconds since the epoch. */
  since: number
  claimed: boolean
}

export interface RegistryStore extends AsyncDisposable {
  /** Rejects with the reason while the place can't be used. */
  check(): Promise<void>

  /** What a crash left half written before that time (milliseconds since the epoch), and nobody reads; gives the number of what went. */
  removeLeftovers(before: number): Promise<number>

  statBlob(digest: Digest): Promise<number | undefined>
  /** The reader ends or destroys the stream. */
  readBlob(digest: Digest, range?: ByteRange): Promise<Readable | undefined>
  /** Small content whose digest the caller has verified; there already is well, too. */
  writeBlob(digest: Digest, bytes: Uint8Array): Promise<void>
  removeBlob(digest: Digest): Promise<void>
  listBlobs(): AsyncIterable<Digest>

  linkBlob(name: RepositoryName, digest: Digest): Promise<void>
  isBlobLinked(name: RepositoryName, digest: Digest): Promise<boolean>
  /** False when there was none. */
  unlinkBlob(name: RepositoryName, digest: Digest): Promise<boolean>
  listBlobLinks(name: RepositoryName): AsyncIterable<Digest>

  /** The manifest's bytes are a blob of their own; `subject` makes it a referrer of that. */
  linkManifest(name: RepositoryName, digest: Digest, subject?: Digest): Promise<void>
  isManifestLinked(name: RepositoryName, digest: Digest): Promise<boolean>
  unlinkManifest(name: RepositoryName, digest: Digest, subject?: Digest): Promise<boolean>
  listManifests(name: RepositoryName): AsyncIterable<Digest>
  /** In order. Those whose manifest is gone may be among them. */
  listReferrers(name: RepositoryName, subject: Digest): Promise<Digest[]>

  setTag(name: RepositoryName, tag: string, digest: Digest): Promise<void>
  /** Only if there is no such tag: undefined then, and otherwise what it means. Of several at once one makes it. */
  createTag(name: RepositoryName, tag: string, digest: Digest): Promise<Digest | undefined>
  readTag(name: RepositoryName, tag: string): Promise<Digest | undefined>
  removeTag(name: RepositoryName, tag: string): Promise<boolean>
  /** In byte order. Undefined where there is no such repository: none that a manifest was ever put into. */
  listTags(name: RepositoryName): Promise<string[] | undefined>
  /** Those that a manifest was ever put into, in byte order: the catalogue. */
  listRepositories(): Promise<RepositoryName[]>
  /** Those, and those that hold nothing but blobs or uploads. */
  listAllRepositories(): Promise<RepositoryName[]>

  /**
   * Does `work` while nobody else, in any process or on any node, does such work for the repository. It asks `mustHold` before what may
   * only happen so: that throws Failure('unavailable') when it has taken so long that somebody else may have gone on. Throws the same when
   * its turn does not come.
   */
  exclusively<T>(name: RepositoryName, work: (mustHold: () => void) => Promise<T>): Promise<T>

  createUpload(name: RepositoryName, id: UploadId): Promise<void>
  statUpload(name: RepositoryName, id: UploadId): Promise<UploadState | undefined>
  /**
   * Adds bytes at `offset`, which must be the upload's size, and gives the new size. What came before the source failed stays. Throws
   * Failure('out-of-range') for another offset, Failure('not-found') without the upload. One caller at a time for an upload. `onStored` is
   * told each size that can be read of the upload from then on.
   */
  appendUpload(
    name: RepositoryName,
    id: UploadId,
    offset: number,
    source: AsyncIterable<Uint8Array>,
    onStored?: OnStored,
  ): Promise<number>
  readUpload(name: RepositoryName, id: UploadId, range?: ByteRange): Promise<Readable>
  /**
   * Makes the upload's bytes, whose size and digest the caller has verified, a blob. Can be repeated; the upload stays, and what is added
   * to it after does not come into the blob. Throws Failure('not-found') where it has become another meanwhile.
   */
  promoteUpload(name: RepositoryName, id: UploadId, digest: Digest, size: number): Promise<void>
  removeUpload(name: RepositoryName, id: UploadId): Promise<boolean>
  listUploads(name: RepositoryName): AsyncIterable<UploadId>

  /** Marks a blob that nothing refers to. One that is marked keeps its time. */
  condemnBlob(digest: Digest, now: number): Promise<void>
  /** Whoever is about to count on a blob takes the mark away; of `pardonBlob` and `claimBlob` one wins. */
  pardonBlob(digest: Digest): Promise<Pardon>
  /** The caller's claim: it alone may remove the blob, and then calls `releaseBlob`. Undefined where there is no mark, or a claim. */
  claimBlob(digest: Digest, now: number): Promise<Claim | undefined>
  /** Makes the claim of a collector that is no more the caller's. Undefined where there is none. */
  takeOverClaim(digest: Digest, now: number): Promise<Claim | undefined>
  /** Nobody has taken it over, or finished for its owner. */
  holdsClaim(digest: Digest, claim: Claim): Promise<boolean>
  releaseBlob(digest: Digest): Promise<void>
  listCondemned(): AsyncIterable<CondemnedBlob>
}
