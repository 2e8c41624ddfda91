// A container's task in containerd: the calls that the verbs make, in the engine's terms.
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { isFailure } from '../../base/failure.ts'
import { RUNTIME_SPEC_TYPE } from '../../containerd/client/any.ts'
import type { Engine } from '../engine.ts'
import { type IdMap, snapshotLabels } from '../userns/id-map.ts'
import type { Container, SnapshotMount } from './container.ts'
import { containerdRuntime, restoreOptions, specFor } from './containerd-runtime.ts'
import { formatRuntimeSpec } from './spec/format-runtime-spec.ts'

export const SNAPSHOTTER = 'overlayfs'
/** Marks what is ours in containerd, for the sweep after a crash. */
export const OWNER_LABEL = 'berth.engine.container'

/** The writable layer. It needs no lease: the label roots it until we remove it. */
export async function prepareSnapshot(
  engine: Engine,
  id: string,
  parent: string | undefined,
  map?: IdMap,
): Promise<SnapshotMount[]> {
  return describeMounts((await engine.containerd.snapshots.prepare(snapshotRequest(engine, id, parent, map))).mounts)
}

/** Read-only, and kept like a writable layer. */
export async function viewSnapshot(
  engine: Engine,
  key: string,
  parent: string | undefined,
  map?: IdMap,
): Promise<void> {
  await engine.containerd.snapshots.view(snapshotRequest(engine, key, parent, map))
}

function snapshotRequest(engine: Engine, key: string, parent = '', map?: IdMap) {
  const root = new Date(engine.clock.now()).toISOString()
  const labels = { 'containerd.io/gc.root': root, [OWNER_LABEL]: engine.id, ...snapshotLabels(map) }
  return { snapshotter: SNAPSHOTTER, key, parent, labels }
}

/** Without what the messages of the wire have besides. */
export function describeMounts(mounts: readonly SnapshotMount[]): SnapshotMount[] {
  return mounts.map(({ type, source, target, options }) => ({ type, source, target, options }))
}

export async function requireMounts(engine: Engine, container: Container): Promise<SnapshotMount[]> {
  if (container.mounts === undefined) {
    const { mounts } = await engine.containerd.snapshots.mounts({ snapshotter: SNAPSHOTTER, key: container.id })
    container.mounts = describeMounts(mounts)
  }
  return container.mounts
}

export async function removeSnapshot(engine: Engine, id: string): Promise<void> {
  await ignoreMissing(engine.containerd.snapshots.remove({ snapshotter: SNAPSHOTTER, key: id }))
}

/** containerd's record of the container, in place of one that a former run has left. */
export async function putContainerdRecord(engine: Engine, container: Container, spec: RuntimeSpec): Promise<void> {
  const runtime = container.record.hostConfig.Runtime ?? ''
  const document = formatRuntimeSpec(specFor(engine, runtime, spec))
  const request = {
    container: {
      id: container.id,
      labels: { [OWNER_LABEL]: engine.id },
      image: container.record.config.Image ?? '',
      runtime: containerdRuntime(engine, runtime),
      spec: { typeUrl: RUNTIME_SPEC_TYPE, value: Buffer.from(document) },
      snapshotter: SNAPSHOTTER,
      snapshotKey: container.id,
    },
  }
  try {
    await engine.containerd.containers.create(request)
  } catch (error) {
    if (!isFailure(error, 'already-exists')) throw error
    await deleteTask(engine, container.id)
    await deleteContainerdRecord(engine, container.id)
    await engine.containerd.containers.create(request)
  }
}

export async function deleteContainerdRecord(engine: Engine, id: string): Promise<void> {
  await ignoreMissing(engine.containerd.containers.delete({ id }))
}

/** The process exists and waits; its pid. `checkpoint`: the directory of the images that it is brought back from; then it is not there before the start. */
export async function createTask(
  engine: Engine,
  container: Container,
  rootfs: SnapshotMount[],
  checkpoint?: string,
): Promise<number> {
  await engine.logs.prepare(container)
  const { pid } = await engine.containerd.tasks.create({
    containerId: container.id,
    rootfs,
    ...(await engine.streams.open(container)),
    terminal: container.hasTerminal,
    ...(checkpoint === undefined
      ? {}
      : { options: restoreOptions(engine, container.record.hostConfig.Runtime ?? '', checkpoint) }),
  })
  return pid
}

/** Returns the pid of the first process: what is brought back from a checkpoint has none before. */
export async function startTask(engine: Engine, container: Container): Promise<number> {
  await engine.streams.starting(container)
  const { pid } = await engine.containerd.tasks.start({ containerId: container.id, execId: '' })
  return pid
}

/** Kills what still runs. A task that is not there is no error. */
export async function deleteTask(engine: Engine, id: string): Promise<void> {
  try {
    await ignoreMissing(engine.containerd.tasks.delete({ containerId: id }))
  } catch (error) {
    if (!isFailure(error, 'failed-precondition')) throw error
    await ignoreMissing(engine.containerd.tasks.kill({ containerId: id, execId: '', signal: 9, all: true }))
    await ignoreMissing(engine.containerd.tasks.wait({ containerId: id, execId: '' }))
    await ignoreMissing(engine.containerd.tasks.delete({ containerId: id }))
  }
}

export async function ignoreMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isFailure(error, 'not-found')) return undefined
    throw error
  }
}
