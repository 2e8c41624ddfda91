// Blobs by digest, and the ingests that become blobs. Where both are: client/content-layout.ts.
//
// What a lease holds is on the disk when the lease ends, or something is waited for that was done without one; before, it costs nobody a wait. A record
// is never on the disk without its bytes: these are written back before the database takes the record in, and what only the journal tells
// of after a power loss is read again (replayed-blobs.ts).
//
// A blob's file is shared by all namespaces; its record (labels, times) is each namespace's own. A file without any record is nobody's and is swept.
import { existsSync, readdirSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { rm, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { makeDurableDirectory } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import { Slices } from '../../base/slices.ts'
import { ContentCreateSchema, ContentDeleteSchema } from '../../gen/events/content_pb.ts'
import { type Info, InfoSchema, type Status } from '../../gen/services/content_pb.ts'
import { type Digest, parseDigest, splitDigest } from '../../oci/digest.ts'
import { blobPathIn, ingestDirectoryIn } from '../client/content-layout.ts'
import { type EventExchange, timestampNow } from '../events/event-exchange.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import { messageCodec } from '../metadata/codec.ts'
import { applyMask, checkLabels, updateLabel } from '../metadata/labels.ts'
import { type Bucket, type MetadataStore, scanBucket } from '../metadata/metadata-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import { readBlob } from './read-blob.ts'
import { UnsyncedBlobs } from './unsynced-blobs.ts'
import { dataMovedAs, hasData, Ingest, listIngests, moveDataBack, readIngestStatus } from './ingest.ts'
import { failpoint } from '../failpoints.ts'

export interface ContentStoreDeps {
  root: string
  metadata: MetadataStore
  namespaces: NamespaceStore
  leases: LeaseStore
  events: EventExchange
  /** A namespace has what another one has for the asking; otherwise each brings the bytes. Absent: it has. */
  isShared?: boolean
}

export interface WriteRequest {
  namespace: string
  /** The client's name for the upload; one writer at a time. */
  ref: string
  /** 0: not known. */
  totalBytes: number
  expected: Digest | undefined
  leaseId: string | undefined
}

export class ContentStore {
  readonly #root: string
  readonly #deps: ContentStoreDeps
  readonly #infos: Bucket<Info>
  /** Directories of ingests that somebody is writing, since when. */
  readonly #locks = new Map<string, number>()
  readonly #unsynced = new UnsyncedBlobs((digest) => this.blobPath(digest))
  /** Blobs between their rename and their record. */
  readonly #arriving = new Map<Digest, number>()

  constructor(deps: ContentStoreDeps) {
    this.#root = deps.root
    this.#deps = deps
    this.#infos = deps.metadata.bucket('content', messageCodec(InfoSchema))
    deps.metadata.beforeFlush = () => this.#unsynced.sync()
    for (const name of ['blobs/sha256', 'blobs/sha512', 'ingest']) makeDurableDirectory(join(deps.root, name))
    this.#takeBack()
  }

  /** Where a blob's bytes are; the file is there while some namespace has the blob. */
  blobPath(digest: Digest): string {
    return blobPathIn(this.#root, digest)
  }

  find(namespace: string, digest: Digest): Info | undefined {
    return this.#infos.get(`${namespace}/${digest}`)
  }

  require(namespace: string, digest: Digest): Info {
    const found = this.find(namespace, digest)
    if (found === undefined) throw new Failure('not-found', `content digest ${digest}: not found`)
    return found
  }

  list(namespace: string, filters: readonly string[] = []): Info[] {
    const matches = parseFilters(filters)
    return this.#infos
      .list(`${namespace}/`)
      .map(([, info]) => info)
      .filter(({ digest, labels }) => matches(lookupIn({ digest }, labels)))
  }

  /** Of the file system that it is on, in bytes; `free`: what can still be stored. */
  async room(): Promise<{ free: number; total: number }> {
    const { bavail, blocks, bsize } = await statfs(this.#root)
    return { free: bavail * bsize, total: blocks * bsize }
  }

  /** Of every namespace, for the collector. */
  scan(slices: Slices): AsyncIterable<[namespace: string, info: Info]> {
    return scanBucket(this.#infos, slices)
  }

  /** @param leaseId of the call: then it is not waited for the disk. */
  async update(namespace: string, update: Info, paths: readonly string[], leaseId?: string): Promise<Info> {
    const info = this.require(namespace, parseDigest(update.digest))
    const replaceLabels = (): void => {
      info.labels = update.labels
    }
    if (paths.length === 0) replaceLabels()
    applyMask(paths, { labels: replaceLabels }, (label) => {
      info.labels = updateLabel(info.labels, label, update.labels[label])
    })
    checkLabels('info.Labels', info.labels)
    info.updatedAt = create(TimestampSchema, timestampNow())
    this.#infos.put(`${namespace}/${info.digest}`, info)
    failpoint('content.updated')
    if (leaseId === undefined) await this.#deps.metadata.flush()
    else this.#deps.metadata.owe()
    return info
  }

  /** Sets labels beside those that are there, at once; they survive power loss with the next change that waits for it. Throws `not-found`. */
  addLabels(namespace: string, digest: Digest, labels: Readonly<Record<string, string>>): void {
    const info = this.require(namespace, digest)
    info.labels = { ...info.labels, ...labels }
    checkLabels('info.Labels', info.labels)
    info.updatedAt = create(TimestampSchema, timestampNow())
    this.#infos.put(`${namespace}/${digest}`, info)
  }

  /** The namespace's record goes; the bytes too when no other namespace has them. */
  async delete(namespace: string, digest: Digest): Promise<void> {
    this.forget(namespace, digest)
    await this.removeForgotten([digest])
  }

  /** The record alone, in this turn; `removeForgotten` is to follow. */
  forget(namespace: string, digest: Digest): void {
    this.require(namespace, digest)
    this.#infos.remove(`${namespace}/${digest}`)
    failpoint('content.delete.record-removed')
    this.#deps.events.publish(namespace, '/content/delete', ContentDeleteSchema, { digest })
  }

  /** The bytes of those that no namespace has, once that is durable: power loss could bring a record back, and then without its bytes. */
  async removeForgotten(digests: readonly Digest[], slices: Slices = new Slices()): Promise<void> {
    await this.#deps.metadata.flush().catch(() => {}) // a full disk must not keep us from making room
    const removals: Promise<void>[] = []
    for (const digest of digests) {
      await slices.next()
      removals.push(this.#discard(digest))
      failpoint('content.delete.removed')
      if (removals.length >= REMOVALS) await Promise.all(removals.splice(0))
    }
    await Promise.all(removals)
  }

  /** @param sizeBytes 0: to the end. Throws `out-of-range` beyond the end. */
  read(namespace: string, digest: Digest, offset: number, sizeBytes: number): AsyncIterable<Buffer> {
    const total = Number(this.require(namespace, digest).size)
    if (offset < 0 || offset > total)
      throw new Failure('out-of-range', `read past object length ${total} bytes: out of range`)
    return readBlob(this.blobPath(digest), offset, Math.min(sizeBytes > 0 ? sizeBytes : total, total - offset))
  }

  /**
   * Begins or resumes an upload and locks its ref until the ingest is closed or committed. `already-exists` when the namespace has the
   * expected blob (or gets it because another namespace has); `unavailable` when somebody else writes under this ref.
   */
  async openIngest(request: WriteRequest): Promise<Ingest> {
    const { namespace, ref, expected } = request
    if (ref === '') throw new Failure('invalid-argument', 'first message must have a reference: invalid argument')
    if (request.leaseId !== undefined) this.#deps.leases.require(namespace, request.leaseId)
    if (expected !== undefined) await this.#refuseExisting(request, expected)
    const directory = ingestDirectoryIn(this.#root, namespace, ref)
    const lockedSince = this.#locks.get(directory)
    if (lockedSince !== undefined) {
      const seconds = Math.round((Date.now() - lockedSince) / 1000)
      throw new Failure('unavailable', `ref ${namespace}/1/${ref} locked for ${seconds}s: unavailable`)
    }
    this.#locks.set(directory, Date.now())
    try {
      return await Ingest.open(directory, request, () => this.#locks.delete(directory))
    } catch (error) {
      this.#locks.delete(directory)
      throw error
    }
  }

  /** Turns what was written into a blob. Without a lease it resolves once that survives power loss; throws `already-exists` when the namespace has it already (that is a success too). */
  async commit(
    ingest: Ingest,
    expectations: { sizeBytes: number; digest: Digest | undefined; labels: Record<string, string> },
  ): Promise<Digest> {
    checkLabels('info.Labels', expectations.labels)
    const { namespace, leaseId } = ingest.request
    const digest = await ingest.verify(expectations)
    failpoint('content.commit.verified')
    const existed = this.find(namespace, digest) !== undefined
    // The file of another namespace's blob, which has been promised, is not replaced by one that is not on the disk.
    const isDurable = leaseId === undefined || (!existed && this.#isHeld(digest))
    this.#arriving.set(digest, (this.#arriving.get(digest) ?? 0) + 1)
    let isTaken = existed
    try {
      if (!existed) await ingest.moveTo(this.blobPath(digest), { isDurable })
      isTaken = true
      if (!isDurable && !existed) this.#unsynced.add(digest)
      this.#record(namespace, digest, ingest.sizeBytes, expectations.labels, leaseId)
      failpoint('content.commit.recorded')
      if (isDurable) await this.#deps.metadata.flush()
      else this.#deps.metadata.owe()
    } finally {
      const others = this.#arriving.get(digest)! - 1
      if (others === 0) this.#arriving.delete(digest)
      else this.#arriving.set(digest, others)
      // Not before there is a record of the blob: after a crash its bytes are the upload's again.
      if (isTaken) await ingest.discard()
      // Its lease may have ended meanwhile, and then there is no record of it.
      await this.#discard(digest)
    }
    failpoint('content.commit.ingest-removed')
    if (existed) throw new Failure('already-exists', `content ${digest}: already exists`)
    return digest
  }

  findStatus(namespace: string, ref: string): Status | undefined {
    return readIngestStatus(ingestDirectoryIn(this.#root, namespace, ref))?.status
  }

  status(namespace: string, ref: string): Status {
    const status = this.findStatus(namespace, ref)
    if (status === undefined) throw new Failure('not-found', `reference ${ref}: not found`)
    return status
  }

  listStatuses(namespace: string, filters: readonly string[] = []): Status[] {
    const matches = parseFilters(filters)
    return listIngests(this.#root)
      .filter((ingest) => ingest.namespace === namespace)
      .map(({ status }) => status)
      .filter(({ ref }) => matches(lookupIn({ ref }, {})))
  }

  /** Throws away an upload that nobody is writing. */
  async abort(namespace: string, ref: string): Promise<void> {
    const directory = ingestDirectoryIn(this.#root, namespace, ref)
    if (readIngestStatus(directory) === undefined) throw new Failure('not-found', `ref ${ref}: not found`)
    if (this.#locks.has(directory)) throw new Failure('unavailable', `ref ${ref} locked: unavailable`)
    await rm(directory, { recursive: true, force: true })
    failpoint('ingest.aborted')
  }

  /**
   * Removes uploads that have not moved for `idleMs` and that no lease `keeps`, those that a crash has left without a file (it became a blob, which may be
   * gone again), and files that no record names.
   */
  async sweep(idleMs: number, keeps: (namespace: string, ref: string) => boolean = () => false): Promise<void> {
    const slices = new Slices()
    for (const name of readdirSync(join(this.#root, 'ingest'))) {
      await slices.next()
      const directory = join(this.#root, 'ingest', name)
      if (this.#locks.has(directory)) continue
      const found = readIngestStatus(directory)
      if (found !== undefined && hasData(directory)) {
        if (found.updatedAtMs + idleMs >= Date.now()) continue
        if (keeps(found.namespace, found.status.ref)) continue
      }
      rmSync(directory, { recursive: true, force: true })
      failpoint('gc.swept-ingest')
    }
    const held = new Set<string>()
    for await (const [, { digest }] of this.scan(slices)) held.add(digest)
    for (const algorithm of ['sha256', 'sha512'])
      for (const hex of readdirSync(join(this.#root, 'blobs', algorithm))) {
        await slices.next()
        const digest = `${algorithm}:${hex}`
        if (held.has(digest)) continue
        await this.#discard(digest as Digest)
        failpoint('gc.swept-blob')
      }
  }

  /**
   * Of uploads whose end a crash came into: the bytes have the blob's name, but there is no record of the blob. Before anybody is served: afterwards a blob without
   * a record may also be one that is being deleted.
   */
  #takeBack(): void {
    for (const name of readdirSync(join(this.#root, 'ingest'))) {
      const directory = join(this.#root, 'ingest', name)
      const digest = dataMovedAs(directory)
      if (digest === undefined) continue
      if (this.#isHeld(digest)) rmSync(directory, { recursive: true })
      else moveDataBack(directory, this.blobPath(digest))
    }
  }

  /**
   * Takes a blob's file away where no namespace has it (any more). Its name is free in the turn that has looked, for the next upload of it may be
   * about to end; to free the space of a large one takes longer than others should wait.
   */
  async #discard(digest: Digest): Promise<void> {
    if (this.#isHeld(digest)) return
    this.#unsynced.drop(digest)
    const { hex } = splitDigest(digest)
    const path = this.blobPath(digest)
    const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size
    if (sizeBytes === undefined) return
    if (sizeBytes <= SMALL_BYTES) return unlinkSync(path)
    const removed = join(this.#root, 'ingest', `${REMOVED}${hex}`)
    renameSync(path, removed)
    failpoint('content.delete.renamed')
    await unlink(removed)
  }

  async #refuseExisting(request: WriteRequest, expected: Digest): Promise<void> {
    const { namespace, leaseId } = request
    const existing = this.find(namespace, expected)
    if (existing === undefined) {
      const path = this.blobPath(expected)
      if (this.#deps.isShared === false || !existsSync(path) || !this.#isHeld(expected)) return
      this.#record(namespace, expected, statSync(path).size, {}, leaseId)
      await this.#deps.metadata.flush()
    } else if (leaseId !== undefined) {
      this.#deps.leases.addResource(namespace, leaseId, { type: 'content', id: expected })
    }
    throw new Failure('already-exists', `content ${expected}: already exists`)
  }

  #record(
    namespace: string,
    digest: Digest,
    sizeBytes: number,
    labels: Record<string, string>,
    leaseId: string | undefined,
  ): void {
    const now = timestampNow()
    const existing = this.find(namespace, digest)
    const fields: MessageInitShape<typeof InfoSchema> = {
      digest,
      size: BigInt(sizeBytes),
      createdAt: existing?.createdAt ?? now,
      updatedAt: now,
      labels: { ...existing?.labels, ...labels },
    }
    this.#deps.namespaces.ensure(namespace)
    this.#deps.metadata.transaction(() => {
      this.#infos.put(`${namespace}/${digest}`, create(InfoSchema, fields))
      if (leaseId !== undefined) this.#deps.leases.addResource(namespace, leaseId, { type: 'content', id: digest })
    })
    if (existing === undefined)
      this.#deps.events.publish(namespace, '/content/create', ContentCreateSchema, { digest, size: BigInt(sizeBytes) })
  }

  /** True while any namespace has the blob or is about to. */
  #isHeld(digest: Digest): boolean {
    if (this.#arriving.has(digest)) return true
    return this.#deps.namespaces.list().some(({ name }) => this.find(name, digest) !== undefined)
  }
}

/** Unlinked in a fraction of a millisecond. */
const SMALL_BYTES = 1 << 20
/** Large ones at a time. */
const REMOVALS = 16
/** A blob on its way out, among the uploads, where the sweep finds it after a crash: it is none. */
const REMOVED = 'removed-'
