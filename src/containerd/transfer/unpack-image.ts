// Layers into snapshots: side by side, since a layer needs no other to be read; put on one another in order.
import { randomBytes } from 'node:crypto'
import { Failure, isFailure, withSubject } from '../../base/failure.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import { SnapshotCommitSchema, SnapshotPrepareSchema, SnapshotRemoveSchema } from '../../gen/events/snapshot_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { parseJsonObject } from '../../oci/json-shape.ts'
import { chainIds, IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import { asUpper } from '../client/as-upper.ts'
import { applyLayer } from '../diff/apply-layer.ts'
import type { Mount, Snapshotter } from '../snapshots/snapshotter.ts'
import type { ImageContent } from './image-content.ts'
import { together } from './together.ts'
import type { TransferCall } from './transfer-call.ts'

export interface UnpackRequest {
  config: Descriptor
  layers: readonly Descriptor[]
  /** Of `deps.snapshotters`. */
  snapshotter: string
  /** Resolves once the layer is stored. */
  fetched(layer: Descriptor, signal: AbortSignal): Promise<void>
  extracting(layer: Descriptor): void
  extracted(layer: Descriptor): void
}

const UNCOMPRESSED_LABEL = 'containerd.io/uncompressed'
/** Snapshotters that lay a finished layer on its parent at commit; others want to know the parent first. */
const LAID_AT_COMMIT = new Set(['overlayfs'])
/** Annotations of a layer that its snapshot inherits. */
const INHERITED_LABEL = 'containerd.io/snapshot/'

/** Nothing half made stays where it fails. The configuration, which is stored, names the snapshot afterwards, so that the image keeps it. */
export async function unpackImage(call: TransferCall, content: ImageContent, request: UnpackRequest): Promise<void> {
  const { config, layers, snapshotter } = request
  const { rootfs } = parseImageConfig(await content.read(config, IMAGE_CONFIG_BYTES_MAX))
  const diffIds = rootfs.diff_ids
  if (diffIds.length !== layers.length)
    throw new Failure(
      'invalid-argument',
      `number of layers and diffIDs don't match: ${layers.length} != ${diffIds.length}: invalid argument`,
    )
  const chain = chainIds(diffIds)
  const below: Promise<void>[] = []
  const places = layers.map((layer, index) => ({ layer, index, diffId: diffIds[index]!, chainId: chain[index]! }))
  await together(places, call.signal, (place, signal) => {
    const parent = place.index === 0 ? undefined : { chainId: chain[place.index - 1]!, made: below[place.index - 1]! }
    const made = new LayerUnpack({ ...call, signal }, content, request, { ...place, parent }).run()
    below.push(made)
    return made
  })
  const top = chain.at(-1)
  if (top !== undefined) content.setLabels(config.digest, { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: top })
}

/** Snapshotters here hold Linux trees; layers of others are only stored. A configuration that says nothing is taken for Linux's. */
export async function isForLinux(content: ImageContent, config: Descriptor): Promise<boolean> {
  const document = parseJsonObject(await content.read(config, IMAGE_CONFIG_BYTES_MAX), 'unmarshal image config')
  const os = document['os'] ?? ''
  return os === '' || os === 'linux'
}

interface Place {
  layer: Descriptor
  diffId: Digest
  chainId: Digest
  parent: { chainId: Digest; made: Promise<void> } | undefined
}

class LayerUnpack {
  readonly #call: TransferCall
  readonly #content: ImageContent
  readonly #request: UnpackRequest
  readonly #place: Place
  readonly #snapshotter: Snapshotter
  readonly #key: string

  constructor(call: TransferCall, content: ImageContent, request: UnpackRequest, place: Place) {
    this.#call = call
    this.#content = content
    this.#request = request
    this.#place = place
    this.#snapshotter = call.deps.snapshotters.get(request.snapshotter)!
    this.#key = `extract-${process.hrtime.bigint() % 1_000_000_000n}-${randomBytes(3).toString('base64url')} ${place.chainId}`
  }

  async run(): Promise<void> {
    const { layer, chainId, parent } = this.#place
    const { namespace, signal, shared } = this.#call
    await this.#request.fetched(layer, signal)
    const isParallel = LAID_AT_COMMIT.has(this.#request.snapshotter)
    if (!isParallel) await parent?.made
    await shared.unpacks.run(`${namespace}/${this.#request.snapshotter}/${chainId}`, { signal }, async () => {
      if (await this.#exists()) await parent?.made
      else await this.#make(isParallel)
    })
    this.#content.setLabels(layer.digest, { [UNCOMPRESSED_LABEL]: this.#place.diffId })
  }

  async #make(isParallel: boolean): Promise<void> {
    const { layer, chainId, parent } = this.#place
    const { deps, namespace } = this.#call
    await using undo = new UndoStack((error) => deps.log.warn('removing a half made layer', { error: String(error) }))
    const mounts = await this.#prepare(isParallel ? '' : (parent?.chainId ?? ''))
    undo.defer(() => this.#remove())
    this.#request.extracting(layer)
    await this.#extract(isParallel && parent !== undefined ? mounts.map(asUpper) : mounts)
    await parent?.made
    const options = { labels: this.#labels(), parent: parent?.chainId ?? '' }
    try {
      await this.#snapshotter.commit(namespace, chainId, this.#key, options)
    } catch (error) {
      // A client that unpacks for itself was faster; ours is removed.
      if (isFailure(error, 'already-exists')) return
      throw withSubject(`failed to commit snapshot ${this.#key}`, error)
    }
    undo.commit()
    deps.events.publish(namespace, '/snapshot/commit', SnapshotCommitSchema, {
      key: this.#key,
      name: chainId,
      snapshotter: this.#request.snapshotter,
    })
    this.#request.extracted(layer)
  }

  async #prepare(parent: string): Promise<Mount[]> {
    const { deps, namespace, signal } = this.#call
    signal.throwIfAborted()
    this.#hold(this.#key)
    this.#hold(this.#place.chainId)
    const mounts = await this.#snapshotter.prepare(namespace, this.#key, parent, this.#labels())
    deps.events.publish(namespace, '/snapshot/prepare', SnapshotPrepareSchema, {
      key: this.#key,
      parent,
      snapshotter: this.#request.snapshotter,
    })
    return mounts
  }

  async #extract(mounts: Mount[]): Promise<void> {
    const { deps, signal } = this.#call
    const { layer, diffId } = this.#place
    const where = `(${layer.mediaType} ${layer.digest}) to ${this.#request.snapshotter} as "${this.#key}"`
    const applied = await applyLayer(deps.workers, {
      diff: layer,
      blobPath: deps.content.blobPath(layer.digest),
      mounts,
      syncFs: false,
      signal,
    }).catch((error: unknown) => {
      throw withSubject(`failed to extract layer ${where}`, error)
    })
    if (applied.digest !== diffId)
      throw new Failure(
        'failed-precondition',
        `wrong diff id "${applied.digest}" calculated on extraction "${diffId}", desc "${layer.digest}": failed precondition`,
      )
  }

  async #remove(): Promise<void> {
    const { deps, namespace } = this.#call
    await this.#snapshotter.remove(namespace, this.#key)
    deps.events.publish(namespace, '/snapshot/remove', SnapshotRemoveSchema, {
      key: this.#key,
      snapshotter: this.#request.snapshotter,
    })
  }

  async #exists(): Promise<boolean> {
    const { chainId } = this.#place
    this.#hold(chainId) // first: a collection must not come in between
    try {
      await this.#snapshotter.stat(this.#call.namespace, chainId)
      return true
    } catch (error) {
      if (isFailure(error, 'not-found')) return false
      throw error
    }
  }

  #hold(id: string): void {
    const { deps, namespace, leaseId } = this.#call
    deps.leases.addResource(namespace, leaseId, { type: `snapshots/${this.#request.snapshotter}`, id })
  }

  #labels(): Record<string, string> {
    const { layer, chainId, diffId, parent } = this.#place
    const inherited = Object.entries(layer.annotations ?? {}).filter(([name]) => name.startsWith(INHERITED_LABEL))
    return {
      ...Object.fromEntries(inherited),
      'containerd.io/snapshot.ref': chainId,
      'containerd.io/snapshot/diff-id': diffId,
      ...(parent === undefined ? {} : { 'containerd.io/snapshot/parent-chain-id': parent.chainId }),
    }
  }
}
