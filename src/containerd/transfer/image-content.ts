// The content store as a transfer sees it: blobs of one namespace, held by the transfer's lease, and the tree that manifests make of them.
import { systemClock } from '../../base/clock.ts'
import { Failure, isFailure, withSubject } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import { isIndexType, isManifestType } from '../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { noRoom } from '../../registry/client/kept-pulls.ts'
import type { BlobSource } from '../../registry/client/puller.ts'
import type { Ingest } from '../content/ingest.ts'
import { inChunks } from './in-chunks.ts'
import { isAnyLayer, isKnownConfig } from './ingest-ref.ts'
import { ifGone } from './drop-lease.ts'
import { cancelled } from './named-stream.ts'
import type { TransferCall } from './transfer-call.ts'

export interface BlobWrite {
  /** The upload's name in the content store. */
  ref: string
  expected: Digest | undefined
  /** Undefined: not known before the end. */
  sizeBytes: number | undefined
  labels?: Readonly<Record<string, string>>
}

const RETRY_MS = 100
const WRITE_BYTES = 256 * 1024
const REFERENCE_LABEL = 'containerd.io/gc.ref.content.'

export class ImageContent {
  readonly #call: TransferCall

  constructor(call: TransferCall) {
    this.#call = call
  }

  has(digest: Digest): boolean {
    return this.#call.deps.content.find(this.#call.namespace, digest) !== undefined
  }

  /** Throws `not-found`. */
  size(digest: Digest): number {
    return Number(this.#call.deps.content.require(this.#call.namespace, digest).size)
  }

  labels(digest: Digest): Readonly<Record<string, string>> {
    return this.#call.deps.content.find(this.#call.namespace, digest)?.labels ?? {}
  }

  /** A blob of at most `sizeMax` bytes. Throws `not-found`. */
  async read({ digest }: { digest: Digest }, sizeMax: number): Promise<Buffer> {
    const { size } = this.#call.deps.content.require(this.#call.namespace, digest)
    if (size > sizeMax) throw new Failure('resource-exhausted', `content ${digest} is larger than ${sizeMax} bytes`)
    return this.readStart(digest, sizeMax)
  }

  async readStart(digest: Digest, sizeMax: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for await (const part of this.#call.deps.content.read(this.#call.namespace, digest, 0, sizeMax)) parts.push(part)
    return Buffer.concat(parts)
  }

  /** Opened when it is iterated. */
  async *stream(digest: Digest): AsyncGenerator<Buffer> {
    for await (const part of this.#call.deps.content.read(this.#call.namespace, digest, 0, 0)) {
      if (this.#call.signal.aborted) throw cancelled(this.#call.signal)
      yield part
    }
  }

  /** What a stored manifest or index names; nothing for all others. */
  async children(descriptor: Descriptor): Promise<Descriptor[]> {
    const { digest, mediaType } = descriptor
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) return []
    const bytes = await this.read(descriptor, MANIFEST_BYTES_MAX)
    try {
      const document = parseManifestOrIndex(bytes, mediaType)
      return document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
    } catch (error) {
      throw withSubject(`children: invalid desc ${digest}`, error)
    }
  }

  /** Lets the collector find the children by the parent, under the names that containerd gives. */
  labelChildren(parent: Descriptor, children: readonly Descriptor[]): void {
    if (children.length === 0) return
    const labels: Record<string, string> = {}
    const counts = new Map<string, number>()
    for (const { mediaType, digest } of children) {
      const kind = referenceKind(mediaType)
      const count = counts.get(kind) ?? 0
      counts.set(kind, count + 1)
      const isNumbered = count > 0 || kind === '' || kind.endsWith('.')
      labels[`${REFERENCE_LABEL}${kind}${isNumbered ? count : ''}`] = digest
    }
    this.setLabels(parent.digest, labels)
  }

  /** Durable once the image is saved. */
  setLabels(digest: Digest, labels: Readonly<Record<string, string>>): void {
    this.#call.deps.content.addLabels(this.#call.namespace, digest, labels)
  }

  /**
   * Stores a blob, or finds that it is there: then `source` is not read. Throws `failed-precondition` for bytes of another digest or number. Where it fails
   * nothing of it stays; but of a source that can give the rest, in a pull, what came stays until it is known why the transfer ends.
   *
   * @param goesOn what is there of it from an earlier pull is gone on with.
   */
  async write(blob: BlobWrite, source: BlobSource, goesOn = true): Promise<{ digest: Digest; existed: boolean }> {
    const { deps, namespace, ledgerId, broughtId } = this.#call
    const rest = typeof source === 'function' ? source : undefined
    const isKept = rest !== undefined && broughtId !== undefined
    const listId = isKept ? broughtId : ledgerId
    const forget = () => deps.leases.deleteResource(namespace, listId, ingestResource(blob.ref))
    deps.leases.addResource(namespace, listId, ingestResource(blob.ref))
    const ingest = await this.#open(blob, isKept && goesOn)
    if (ingest === undefined) {
      forget()
      return { digest: blob.expected!, existed: true }
    }
    const startOffset = ingest.sizeBytes
    try {
      await this.#fill(ingest, typeof source === 'function' ? source(startOffset) : source)
      const stored = await this.#commit(ingest, blob)
      if (isKept) deps.leases.addResource(namespace, broughtId, { type: 'content', id: stored.digest })
      forget()
      return stored
    } catch (error) {
      if (isKept) await ingest.close()
      else {
        await ingest.discard()
        forget()
      }
      // What was there was not of it: then it is fetched from its beginning.
      if (startOffset > 0 && isFailure(error, 'failed-precondition')) return await this.write(blob, source, false)
      throw error
    }
  }

  /** Throws `resource-exhausted` where what is missing of these does not fit, going by the sizes they claim: a disk that is filled up is everybody's. */
  async requireRoom(blobs: readonly Descriptor[], refOf: (blob: Descriptor) => string): Promise<void> {
    const { deps, shared } = this.#call
    const each = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()]
    if (this.#missingBytes(each, refOf) <= (await deps.content.room()).free) return
    await shared.kept.dropAll()
    const { free, total } = await deps.content.room()
    if (this.#missingBytes(each, refOf) <= free) return
    const wanted = each.reduce((sum, { size }) => sum + size, 0)
    throw noRoom(wanted, total, 'content')
  }

  #missingBytes(blobs: readonly Descriptor[], refOf: (blob: Descriptor) => string): number {
    const { deps, namespace } = this.#call
    const hereOf = (blob: Descriptor) =>
      this.has(blob.digest) ? blob.size : Number(deps.content.findStatus(namespace, refOf(blob))?.offset ?? 0)
    return blobs.reduce((sum, blob) => sum + blob.size - hereOf(blob), 0)
  }

  /** The disk writes one piece while the next arrives. */
  async #fill(ingest: Ingest, source: AsyncIterable<Uint8Array>): Promise<void> {
    let writing = Promise.resolve()
    try {
      for await (const part of inChunks(source, WRITE_BYTES)) {
        await writing
        if (this.#call.signal.aborted) throw cancelled(this.#call.signal)
        writing = ingest.write(part)
        writing.catch(() => {}) // told where it is awaited
      }
    } finally {
      await writing // also where the source fails: nobody may write to an upload that is thrown away
    }
  }

  /** Waits while somebody else, a client for one, writes under the same name. Undefined: the blob is there. */
  async #open({ ref, expected, sizeBytes }: BlobWrite, goesOn: boolean): Promise<Ingest | undefined> {
    const { deps, namespace, leaseId, signal } = this.#call
    for (let isFresh = false; ; ) {
      if (signal.aborted) throw cancelled(signal)
      try {
        const ingest = await deps.content.openIngest({ namespace, ref, expected, totalBytes: sizeBytes ?? 0, leaseId })
        const isOfUse = goesOn && ingest.sizeBytes <= (sizeBytes ?? 0)
        if (ingest.sizeBytes > 0 && !isOfUse) await ingest.truncate()
        return ingest
      } catch (error) {
        if (isFailure(error, 'already-exists')) return undefined
        // Somebody has claimed another size for the blob, and left what came of it.
        if (isFailure(error, 'failed-precondition') && !isFresh) {
          isFresh = true
          await deps.content.abort(namespace, ref).catch(ifGone)
          continue
        }
        if (!isFailure(error, 'unavailable')) throw error
        await systemClock.sleep(RETRY_MS, signal)
      }
    }
  }

  async #commit(ingest: Ingest, blob: BlobWrite): Promise<{ digest: Digest; existed: boolean }> {
    const digest = ingest.digest()
    const expectations = { sizeBytes: blob.sizeBytes ?? 0, digest: blob.expected, labels: { ...blob.labels } }
    try {
      await this.#call.deps.content.commit(ingest, expectations)
      return { digest, existed: false }
    } catch (error) {
      if (isFailure(error, 'already-exists')) return { digest, existed: true }
      throw withSubject(`failed commit on ref ${JSON.stringify(blob.ref)}`, error)
    }
  }
}

export function ingestResource(ref: string): { type: string; id: string } {
  return { type: 'ingests', id: ref }
}

export function descriptorOf(message: {
  mediaType: string
  digest: string
  size: bigint
  annotations: Record<string, string>
}): Descriptor {
  const { mediaType, digest, size, annotations } = message
  return { mediaType, digest: parseDigest(digest), size: Number(size), annotations }
}

function referenceKind(mediaType: string): string {
  if (isKnownConfig(mediaType)) return 'config'
  if (isManifestType(mediaType)) return 'm.'
  return isAnyLayer(mediaType) ? 'l.' : ''
}
