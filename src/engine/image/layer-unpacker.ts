// Unpacks layers into snapshots as soon as each is stored: side by side, since a layer needs no other to be read; put on one another in order.
import { randomBytes } from 'node:crypto'
import { Failure, isFailure } from '../../base/failure.ts'
import { asUpper } from '../../containerd/client/as-upper.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { chainIds, type ImageConfig } from '../../oci/parse-image-config.ts'
import { SNAPSHOTTER } from '../container/tasks.ts'

export interface UnpackProgress {
  extracting(layer: Descriptor): void
  unpacked(layer: Descriptor): void
  alreadyThere(layer: Descriptor): void
}

interface Stack {
  diffIds: readonly Digest[]
  chainIds: readonly Digest[]
}

/** Tell it the configuration and each stored layer, in any order; then `finish`. Disposing removes what was not finished. */
export class LayerUnpacker implements AsyncDisposable {
  readonly #client: ContainerdClient
  readonly #progress: UnpackProgress
  readonly #isParallel: boolean
  readonly #signal: AbortSignal
  readonly #keyPrefix = `extract-${randomBytes(6).toString('hex')}`
  readonly #stack = new Deferred<Stack>()
  readonly #hold: (chainId: Digest) => Promise<void>
  /** By the layer's place; also of layers that are not stored yet. */
  readonly #committed = new Map<number, Deferred<void>>()
  readonly #work = new Map<number, Promise<void>>()
  readonly #active = new Set<string>()
  #ended: Failure | undefined

  /** @param options.isParallel the snapshotter can lay a finished layer on its parent at commit: ours can, containerd's before 2.2 can't. */
  constructor(options: {
    client: ContainerdClient
    progress: UnpackProgress
    isParallel: boolean
    signal: AbortSignal
    /** Keeps a snapshot that is there from being collected; what is gone by then stays gone. */
    hold: (chainId: Digest) => Promise<void>
  }) {
    this.#client = options.client
    this.#hold = options.hold
    this.#progress = options.progress
    this.#isParallel = options.isParallel
    this.#signal = options.signal
  }

  learnConfig(config: ImageConfig): void {
    const diffIds = config.rootfs.diff_ids
    this.#stack.resolve({ diffIds, chainIds: chainIds(diffIds) })
  }

  /** The layer's bytes are stored: begins to unpack it, once. */
  layerStored(layer: Descriptor, index: number): void {
    if (this.#work.has(index)) return
    const committed = this.#committedAt(index)
    this.#work.set(index, this.#unpack(layer, index).then(committed.resolve, committed.reject))
  }

  /** Resolves when the whole stack is committed. All layers and the configuration must have been told. */
  async finish(layers: readonly Descriptor[], config: ImageConfig): Promise<void> {
    this.learnConfig(config)
    layers.forEach((layer, index) => {
      this.layerStored(layer, index)
    })
    await Promise.all(layers.map((_, index) => this.#committedAt(index).promise))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Failure('cancelled', 'the pull has ended')
    this.#ended = reason
    this.#stack.reject(reason)
    for (const committed of this.#committed.values()) committed.reject(reason)
    await Promise.all(this.#work.values())
    for (const key of this.#active) await this.#remove(key)
  }

  async #unpack(layer: Descriptor, index: number): Promise<void> {
    const { diffIds, chainIds: chain } = await this.#stack.promise
    const [diffId, chainId, parent] = [diffIds[index], chain[index], chain[index - 1] ?? '']
    if (diffId === undefined || chainId === undefined)
      throw new Failure('invalid-argument', `layer ${layer.digest} is not part of the image's configuration`)
    const below = () => (index === 0 ? undefined : this.#committedAt(index - 1).promise)
    if (await this.#exists(chainId)) {
      await below()
      this.#progress.alreadyThere(layer)
      return
    }
    if (!this.#isParallel) await below()
    const key = await this.#extract(layer, { index, diffId, parent: this.#isParallel ? '' : parent })
    await below()
    await this.#commit(key, chainId, parent)
    this.#progress.unpacked(layer)
  }

  /** Returns the key of the snapshot that holds the layer alone. */
  async #extract(layer: Descriptor, place: { index: number; diffId: Digest; parent: string }): Promise<string> {
    const key = `${this.#keyPrefix}-${place.index}`
    this.#signal.throwIfAborted()
    this.#active.add(key)
    const { mounts } = await this.#client.snapshots.prepare({
      snapshotter: SNAPSHOTTER,
      key,
      parent: place.parent,
      labels: {},
    })
    this.#progress.extracting(layer)
    const { mediaType, digest, size } = layer
    const { applied } = await this.#client.diff.apply(
      {
        diff: { mediaType, digest, size: BigInt(size) },
        mounts: place.parent === '' && place.index > 0 ? mounts.map(asUpper) : mounts,
        syncFs: false,
      },
      { signal: this.#signal },
    )
    if (applied?.digest !== place.diffId)
      throw new Failure(
        'data-loss',
        `wrong diff id ${applied?.digest} calculated on extraction of ${digest}, want ${place.diffId}`,
      )
    return key
  }

  async #commit(key: string, chainId: Digest, parent: string): Promise<void> {
    try {
      await this.#client.snapshots.commit({ snapshotter: SNAPSHOTTER, key, name: chainId, parent, labels: {} })
      this.#active.delete(key)
    } catch (error) {
      // Another pull was faster with the same layer; ours is removed with what is left.
      if (!isFailure(error, 'already-exists')) throw error
    }
  }

  #committedAt(index: number): Deferred<void> {
    const known = this.#committed.get(index) ?? new Deferred<void>()
    this.#committed.set(index, known)
    if (this.#ended) known.reject(this.#ended)
    return known
  }

  /** And stays: the collector may be about to take it, with an image that has just been removed. */
  async #exists(chainId: Digest): Promise<boolean> {
    const stat = () => this.#client.snapshots.stat({ snapshotter: SNAPSHOTTER, key: chainId })
    try {
      await stat()
      await this.#hold(chainId)
      await stat()
      return true
    } catch (error) {
      if (isFailure(error, 'not-found')) return false
      throw error
    }
  }

  async #remove(key: string): Promise<void> {
    try {
      await this.#client.snapshots.remove({ snapshotter: SNAPSHOTTER, key })
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error
    }
  }
}

/** A promise and its two ends; a rejection that nobody awaits is no error. */
class Deferred<T> {
  resolve: (value: T) => void = () => {}
  reject: (reason: unknown) => void = () => {}
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve
    this.reject = reject
  })

  constructor() {
    this.promise.catch(() => {})
  }
}
