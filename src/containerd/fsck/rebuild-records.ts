// The records of a lost or damaged database, as far as the disk tells: what can still be read of it, blobs by their names, snapshots by what is written beside
// them, containers by the bundles of their tasks. Of images the names are in the database alone: one whose name is lost gets its digest for a name.
import { existsSync } from 'node:fs'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { ContainerSchema } from '../../gen/services/containers_pb.ts'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { ImageSchema } from '../../gen/services/images_pb.ts'
import { NamespaceSchema } from '../../gen/services/namespaces_pb.ts'
import { packJson, RUNTIME_SPEC_TYPE } from '../client/any.ts'
import { gcSnapshotLabel } from '../client/labels.ts'
import { type Codec, messageCodec } from '../metadata/codec.ts'
import { DEFAULT_SNAPSHOTTER } from '../snapshots/open-snapshotters.ts'
import { readSnapshotInfo } from '../snapshots/snapshot-info.ts'
import { type BlobFile, listBlobs, listDirectory } from './check-content.ts'
import { SNAPSHOT_CODEC, snapshotDirectory, SNAPSHOTTERS, type SnapshotBucketName } from './check-snapshots.ts'
import { listBundles } from './check-tasks.ts'
import { type Document, readDocuments } from './read-documents.ts'
import type { Records } from './load-records.ts'

/** The namespace of blobs of which nothing tells whose they are: what clients use that do not say. */
const DEFAULT_NAMESPACE = 'default'
const RUNTIME = 'io.containerd.runc.v2'

/** What was found, by kind, and what could not be. */
export interface Rebuilt {
  records: Map<string, Uint8Array>
  /** Read from the old database. */
  salvaged: number
  content: number
  snapshots: number
  containers: number
  /** Images that were given names, for theirs are lost. */
  namelessImages: string[]
}

/** True where there is anything that a database should know of. */
export function hasThings(root: string): boolean {
  const buckets = Object.keys(SNAPSHOTTERS) as SnapshotBucketName[]
  return listBlobs(root).length > 0 || buckets.some((bucket) => listSnapshots(root, bucket).length > 0)
}

export function rebuildRecords(root: string, state: string, old: Records): Rebuilt {
  const rebuilding = new Rebuilding(root, old)
  rebuilding.salvage()
  rebuilding.addSnapshots()
  rebuilding.addContainers(state)
  rebuilding.addNamespaces()
  rebuilding.addContent()
  return rebuilding.result
}

class Rebuilding {
  readonly result: Rebuilt = {
    records: new Map(),
    salvaged: 0,
    content: 0,
    snapshots: 0,
    containers: 0,
    namelessImages: [],
  }
  readonly #root: string
  readonly #old: Records
  readonly #blobs: BlobFile[]

  constructor(root: string, old: Records) {
    this.#root = root
    this.#old = old
    this.#blobs = listBlobs(root)
  }

  /** What a page still holds that nothing leads to may have been removed long ago: it counts where the disk bears it out. */
  salvage(): void {
    const { pages, unreadable } = this.#old
    for (const [key, value] of pages.records)
      if (!key.startsWith('journal:') && !unreadable.has(key)) this.#add(key, value)
    const digests = new Set<string>(this.#blobs.flatMap(({ digest }) => digest ?? []))
    const strays = [...pages.strays].filter(([key, value]) => this.#isBorneOut(key, value, digests))
    for (const [key, value] of strays) this.#add(key, value)
    this.result.salvaged = this.result.records.size
  }

  #isBorneOut(key: string, value: Uint8Array, digests: ReadonlySet<string>): boolean {
    const bucket = key.slice(0, key.indexOf(':'))
    if (bucket === 'namespaces')
      return decoded(messageCodec(NamespaceSchema), value)?.name === key.slice(bucket.length + 1)
    if (bucket === 'content') return digests.has(decoded(messageCodec(InfoSchema), value)?.digest ?? '')
    if (bucket === 'images') return digests.has(decoded(messageCodec(ImageSchema), value)?.target?.digest ?? '')
    if (bucket in SNAPSHOTTERS) {
      const id = decoded(SNAPSHOT_CODEC, value)?.id ?? 0
      const directory = snapshotDirectory(this.#root, bucket as SnapshotBucketName, id)
      return existsSync(directory) && readSnapshotInfo(directory) === undefined
    }
    return false
  }

  addSnapshots(): void {
    for (const bucket of Object.keys(SNAPSHOTTERS) as SnapshotBucketName[]) {
      const known = new Set(this.#decode(bucket, SNAPSHOT_CODEC).map(({ value }) => value.id))
      for (const id of listSnapshots(this.#root, bucket)) {
        const info = readSnapshotInfo(snapshotDirectory(this.#root, bucket, id))
        if (info === undefined || known.has(id)) continue
        const { namespace, name, ...fields } = info
        if (this.#add(`${bucket}:${namespace}/${name}`, SNAPSHOT_CODEC.encode({ id, ...fields })))
          this.result.snapshots++
      }
    }
  }

  /** Those that have a task. Labels and the image's name are lost. */
  addContainers(state: string): void {
    const codec = messageCodec(ContainerSchema)
    for (const { record } of listBundles(state)) {
      if (record === undefined || record === 'unreadable') continue
      const { namespace, id, spec } = record
      const snapshotKey = this.result.records.has(`snapshots:${namespace}/${id}`) ? id : ''
      const now = timestampFromMs(Date.now())
      const fields = {
        snapshotKey,
        snapshotter: snapshotKey === '' ? '' : DEFAULT_SNAPSHOTTER,
        createdAt: now,
        updatedAt: now,
      }
      const container = create(ContainerSchema, {
        id,
        runtime: { name: RUNTIME },
        spec: packJson(RUNTIME_SPEC_TYPE, spec),
        ...fields,
      })
      if (this.#add(`containers:${namespace}/${id}`, codec.encode(container))) this.result.containers++
    }
  }

  addNamespaces(): void {
    const codec = messageCodec(NamespaceSchema)
    const used = [...this.result.records.keys()].flatMap(
      (key) => /^(?:images|containers|content|snapshots[^:]*):([^/]+)\//.exec(key)?.[1] ?? [],
    )
    const orphans = this.#blobs.length > 0 && used.length === 0 ? [DEFAULT_NAMESPACE] : []
    for (const name of [...used, ...orphans])
      this.#add(`namespaces:${name}`, codec.encode(create(NamespaceSchema, { name })))
  }

  /** A blob that no record is left of goes to every namespace: whose it was is nowhere on the disk. */
  addContent(): void {
    const namespaces = this.#decode('namespaces', messageCodec(NamespaceSchema)).map(({ value }) => value.name)
    const known = new Set(this.#decode('content', messageCodec(InfoSchema)).map(({ value }) => value.digest))
    const orphans = this.#blobs.filter(({ digest }) => digest !== undefined && !known.has(digest))
    const documents = readDocuments(orphans)
    for (const { digest, sizeBytes } of orphans)
      for (const namespace of namespaces) this.#addBlob(namespace, digest!, sizeBytes, documents.get(digest!))
    this.result.content = orphans.length
    for (const namespace of namespaces) this.#addImages(namespace, documents)
  }

  #addBlob(namespace: string, digest: string, sizeBytes: number, document: Document | undefined): void {
    const isUnpacked =
      document?.chainId !== undefined && this.result.records.has(`snapshots:${namespace}/${document.chainId}`)
    const labels = isUnpacked ? gcSnapshotLabel(DEFAULT_SNAPSHOTTER, document.chainId!) : {}
    const now = timestampFromMs(Date.now())
    const info = create(InfoSchema, { digest, size: BigInt(sizeBytes), createdAt: now, updatedAt: now, labels })
    this.#add(`content:${namespace}/${digest}`, messageCodec(InfoSchema).encode(info))
  }

  /** Whatever no image and no other manifest leads to becomes one, or the collector would take it. */
  #addImages(namespace: string, documents: ReadonlyMap<string, Document>): void {
    const codec = messageCodec(ImageSchema)
    const targets = this.#decode('images', codec).map(({ value }) => value.target?.digest ?? '')
    const named = new Set([...targets, ...[...documents.values()].flatMap(({ references }) => references)])
    for (const [digest, { mediaType, sizeBytes, name }] of documents) {
      if (mediaType === undefined || named.has(digest)) continue
      const now = timestampFromMs(Date.now())
      const target = { mediaType, digest, size: BigInt(sizeBytes) }
      const image = create(ImageSchema, { name: name ?? `recovered@${digest}`, target, createdAt: now, updatedAt: now })
      if (this.#add(`images:${namespace}/${image.name}`, codec.encode(image)) && name === undefined)
        this.result.namelessImages.push(image.name)
    }
  }

  #add(key: string, value: Uint8Array): boolean {
    if (this.result.records.has(key)) return false
    this.result.records.set(key, value)
    return true
  }

  #decode<Value>(bucket: string, codec: Codec<Value>): { value: Value }[] {
    return [...this.result.records].flatMap(([key, bytes]) => {
      const value = key.startsWith(`${bucket}:`) ? decoded(codec, bytes) : undefined
      return value === undefined ? [] : [{ value }]
    })
  }
}

function decoded<Value>(codec: Codec<Value>, bytes: Uint8Array): Value | undefined {
  try {
    return codec.decode(bytes)
  } catch {
    return undefined
  }
}

function listSnapshots(root: string, bucket: SnapshotBucketName): number[] {
  return listDirectory(snapshotDirectory(root, bucket, '')).flatMap(({ name }) =>
    /^\d{1,15}$/.test(name) ? [Number(name)] : [],
  )
}
