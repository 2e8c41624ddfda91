// POST /commit: an image of what a container's own layer holds, on top of the image it was made of.
import { randomBytes } from 'node:crypto'
import type { ContainerConfig } from '../../api/container-types.ts'
import { BERTH_VERSION } from '../../api/versions.ts'
import { formatRfc3339Nano } from '../../base/clock.ts'
import { Failure } from '../../base/failure.ts'
import { KeyedMutex } from '../../base/keyed-mutex.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { familiarReference } from '../../oci/parse-reference.ts'
import type { HistoryEntry, ImageConfig } from '../../oci/parse-image-config.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import { applyChanges } from '../image/changes/apply-changes.ts'
import { holdImage } from '../image/hold-image.ts'
import { danglingName, recordNameOf } from '../image/image-names.ts'
import type { Image } from '../image/image-store.ts'
import { takeLease } from '../image/lease.ts'
import { PACKED_AT_PUSH } from '../image/pack-layers.ts'
import { publishImageEvent } from '../image/publish-image-event.ts'
import { storeImage } from '../image/store-image.ts'
import { unpackLater } from '../image/unpack-later.ts'
import { mergeCommitConfig } from './commit-config.ts'
import type { Container } from './container.ts'
import { pauseContainer, unpauseContainer } from './pause.ts'
import { publishContainerEvent } from './publish-event.ts'
import { requireMounts, SNAPSHOTTER } from './tasks.ts'

export interface CommitOptions {
  reference: Reference | undefined
  comment: string
  author: string
  pauses: boolean
  changes: readonly string[]
  /** In the place of the container's own. */
  config: ContainerConfig | undefined
}

/** The image's id. A failure, a crash too, leaves nothing behind but for a container that stays paused until the next start of the engine. */
export async function commitContainer(
  engine: Engine,
  container: Container,
  options: CommitOptions,
  signal: AbortSignal,
): Promise<Digest> {
  requireCommittable(container)
  const own = container.record.config
  const config = mergeCommitConfig(applyChanges(options.config ?? own, options.changes), own)
  await using undo = new UndoStack()
  const lease = undo.use(await takeLease(engine.containerd, engine.id, engine.clock.now()))
  const holding = holdImage(lease, () => engine.images.require(container.record.image.id))
  holding.catch(() => {}) // awaited below
  const layer = await paused(engine, container, options.pauses, () => makeLayer(engine, lease.client, container))
  const parent = await holding
  const isDocker = parent.manifest.mediaType === MEDIA_TYPE.dockerManifest
  const descriptor = { mediaType: isDocker ? MEDIA_TYPE.dockerLayer : MEDIA_TYPE.ociLayer, ...layer }
  const isEmpty = layer.digest === EMPTY_LAYER
  const document = describeImage(engine, {
    container,
    options,
    config,
    parent,
    diffId: isEmpty ? undefined : layer.digest,
  })
  const layers = isEmpty ? parent.layers : [...parent.layers, descriptor]
  const image = await storeImage(engine, lease, { config: document, layers, isDocker }, signal)
  const { reference } = options
  const recordName = reference === undefined ? danglingName(image.target.digest) : recordNameOf(reference)
  await engine.images.tag(image, recordName, lease.client)
  publishImageEvent(engine, 'create', image.id, image.id, image)
  const imageRef = reference === undefined ? '' : familiarReference(reference)
  if (reference !== undefined) publishImageEvent(engine, 'tag', image.id, imageRef, image)
  publishContainerEvent(engine, container, 'commit', { comment: options.comment, imageID: image.id, imageRef })
  undo.commit()
  unpackLater(engine, lease, image)
  return image.id
}

/** Two blocks of zeros: the archive of no change at all. */
const EMPTY_LAYER = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'

function requireCommittable(container: Container): void {
  if (container.state.status === 'dead')
    throw new Failure('conflict', `You cannot commit container ${container.id} which is Dead`)
  if (container.isRemoving || container.isGone)
    throw new Failure('conflict', `You cannot commit container ${container.id} which is being removed`)
}

/** By container: the first of two at once that has ended would let the container go on under the other. */
const pausing = new KeyedMutex()

async function paused<T>(engine: Engine, container: Container, isWanted: boolean, work: () => Promise<T>): Promise<T> {
  return isWanted ? await pausing.run(container.id, () => pausedAlone(engine, container, work)) : await work()
}

/** Nothing is written while it is read. One that does not run, or is paused already, needs no pause; and a pause that fails is no reason to fail. */
async function pausedAlone<T>(engine: Engine, container: Container, work: () => Promise<T>): Promise<T> {
  if (container.state.status !== 'running') return await work()
  container.record.isPausedByCommit = true
  container.saveState()
  try {
    const isPaused = await pauseContainer(engine, container).then(
      () => true,
      () => false,
    )
    try {
      return await work()
    } finally {
      if (isPaused) await unpauseContainer(engine, container).catch(() => {}) // it has ended, or somebody was faster
    }
  } finally {
    delete container.record.isPausedByCommit
    container.saveState()
  }
}

/** After a crash in the middle of a commit: nobody else would let the container go on. */
export async function resumeAfterCommit(engine: Engine, container: Container): Promise<void> {
  if (container.record.isPausedByCommit !== true) return
  delete container.record.isPausedByCommit
  if (container.state.status === 'paused') await unpauseContainer(engine, container)
  else container.saveState()
}

/** What the upper directory has beyond the init layer below it, which thereby is in no image. Plain: its digest is the diff id too. */
async function makeLayer(
  engine: Engine,
  client: ContainerdClient,
  container: Container,
): Promise<Pick<Descriptor, 'digest' | 'size'>> {
  const { snapshots } = client
  const right = await requireMounts(engine, container)
  const { info } = await snapshots.stat({ snapshotter: SNAPSHOTTER, key: container.id })
  const key = `commit-${randomBytes(8).toString('hex')}`
  const below = info?.parent ?? ''
  const left =
    below === '' ? [] : (await snapshots.view({ snapshotter: SNAPSHOTTER, key, parent: below, labels: {} })).mounts
  try {
    // As it is: a push compresses it, if there ever is one (image/pack-layers.ts).
    const labels = { [PACKED_AT_PUSH]: 'commit' }
    const { diff } = await client.diff.diff({ left, right, mediaType: MEDIA_TYPE.ociLayer, ref: '', labels })
    if (diff === undefined) throw new Failure('internal', 'containerd made no layer')
    return { digest: parseDigest(diff.digest), size: Number(diff.size) }
  } finally {
    if (below !== '') await snapshots.remove({ snapshotter: SNAPSHOTTER, key }).catch(() => {}) // the lease lets go of it
  }
}

interface Description {
  container: Container
  options: CommitOptions
  config: ContainerConfig
  parent: Image
  /** Undefined where nothing was changed. */
  diffId: Digest | undefined
}

function describeImage(engine: Engine, { container, options, config, parent, diffId }: Description): object {
  const created = formatRfc3339Nano(engine.clock.now())
  const { comment, author } = options
  const base: ImageConfig = parent.config
  const entry: HistoryEntry = {
    created,
    created_by: (container.record.config.Cmd ?? []).join(' '),
    ...(author === '' ? {} : { author }),
    ...(comment === '' ? {} : { comment }),
    ...(diffId === undefined ? { empty_layer: true } : {}),
  }
  return {
    created,
    container: container.id,
    container_config: container.record.config,
    docker_version: BERTH_VERSION,
    ...(author === '' ? {} : { author }),
    config,
    architecture: base.architecture,
    ...(base.variant === undefined ? {} : { variant: base.variant }),
    os: base.os,
    rootfs: { type: 'layers', diff_ids: [...base.rootfs.diff_ids, ...(diffId === undefined ? [] : [diffId])] },
    history: [...base.history, entry],
    ...(base['os.version'] === undefined ? {} : { 'os.version': base['os.version'] }),
  }
}
