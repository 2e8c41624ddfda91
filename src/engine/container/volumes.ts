// The volumes of a container: directories under `<data-root>/volumes`, named ones and the anonymous ones that images declare.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { ContainerConfig, HostConfig, Mount } from '../../api/container-types.ts'
import { readTextIfExists } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import { generateId } from '../../base/ids.ts'
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from '../../linux/constants.ts'
import type { Engine } from '../engine.ts'
import type { Container, SnapshotMount, VolumeMount } from './container.ts'
import { copyTree } from './copy-tree.ts'
import { volumesDirectory } from './paths.ts'
import { parseBind } from './spec/parse-bind.ts'
import { layersOf, openLayers } from './read-user-files.ts'
import type { InheritedMounts } from './volumes-from.ts'

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
const DATA = '_data'
/** Says that a volume has no name of a user's and goes with its container. Holds the container's id until there is a record of that. */
const ANONYMOUS_MARK = 'anonymous'

/** What a container wants mounted from volumes; names are made up for anonymous ones. Nothing is created yet. */
export function planVolumes(
  engine: Engine,
  config: ContainerConfig,
  hostConfig: HostConfig,
  inherited: InheritedMounts,
): { volumes: VolumeMount[]; inheritedMounts: Mount[] } {
  const plan = new Map<string, VolumeMount>()
  const taken = new Set<string>()
  const add = (name: string, destination: string, options: Pick<VolumeMount, 'readWrite' | 'mode' | 'noCopy'>) => {
    const isAnonymous = name === ''
    const chosen = isAnonymous ? generateId() : checkName(name)
    const source = join(volumesDirectory(engine), chosen, DATA)
    plan.set(destination, { name: chosen, source, destination, isAnonymous, ...options })
  }
  for (const text of hostConfig.Binds ?? []) {
    const { kind, source, destination, readWrite, mode, noCopy } = parseBind(text)
    if (kind === 'bind') taken.add(destination)
    else add(source, destination, { readWrite, mode: mode === '' ? 'z' : mode, noCopy })
  }
  for (const mount of hostConfig.Mounts ?? []) {
    const destination = cleanPath(mount.Target ?? '')
    const noCopy = mount.VolumeOptions?.NoCopy === true
    if (mount.Type === 'volume')
      add(mount.Source ?? '', destination, { readWrite: mount.ReadOnly !== true, mode: 'z', noCopy })
    else taken.add(destination)
  }
  for (const path of Object.keys(hostConfig.Tmpfs ?? {})) taken.add(cleanPath(path))
  const fromOthers = inherited.mounts.filter(({ Target = '' }) => !plan.has(Target) && !taken.has(Target))
  for (const volume of inherited.volumes)
    if (!plan.has(volume.destination) && !taken.has(volume.destination)) plan.set(volume.destination, volume)
  for (const { Target = '' } of fromOthers) taken.add(Target)
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = cleanPath(path)
    if (!plan.has(destination) && !taken.has(destination))
      add('', destination, { readWrite: true, mode: '', noCopy: false })
  }
  return { volumes: [...plan.values()], inheritedMounts: fromOthers }
}

/** Makes the directories; a new volume gets what the image has at its destination. Returns what to undo. */
export function makeVolumes(
  engine: Engine,
  volumes: readonly VolumeMount[],
  mounts: readonly SnapshotMount[],
  containerId: string,
): () => void {
  const made: string[] = []
  const undo = () => {
    for (const path of made) rmSync(path, { recursive: true, force: true })
  }
  try {
    for (const volume of volumes) {
      // An inherited one is there, and its mark says whose it was.
      const directory = join(volumesDirectory(engine), volume.name)
      if (!existsSync(directory)) made.push(directory)
      mkdirSync(volume.source, { recursive: true, mode: 0o755 })
      if (volume.isAnonymous && made.includes(directory)) writeFileSync(join(directory, ANONYMOUS_MARK), containerId)
      if (!volume.noCopy && readdirSync(volume.source).length === 0) copyUp(engine, volume, mounts)
    }
    return undo
  } catch (error) {
    undo()
    throw error
  }
}

/** The container's record is written: from now on the volumes are kept until a user says otherwise. */
export function keepVolumes(engine: Engine, volumes: readonly VolumeMount[]): void {
  for (const { name, isAnonymous } of volumes)
    if (isAnonymous) writeFileSync(join(volumesDirectory(engine), name, ANONYMOUS_MARK), '')
}

/** A crash came in the middle of a creation: anonymous volumes that were made for it have never been anybody's. */
export function sweepVolumes(engine: Engine, isOwned: (containerId: string) => boolean): void {
  const directory = volumesDirectory(engine)
  for (const name of existsSync(directory) ? readdirSync(directory) : []) {
    const mark = join(directory, name, ANONYMOUS_MARK)
    const owner = readTextIfExists(mark) ?? ''
    if (owner === '') continue
    if (isOwned(owner)) writeFileSync(mark, '')
    else rmSync(join(directory, name), { recursive: true, force: true })
  }
}

/** Before the first start the container's own layer is empty, so the image's layers are all there is. */
function copyUp(engine: Engine, volume: VolumeMount, mounts: readonly SnapshotMount[]): void {
  const layers = layersOf(mounts, false)
  if (layers.length === 0) return
  const { kernel } = engine
  const root = openLayers(kernel, layers)
  try {
    const flags = O_PATH | O_DIRECTORY
    const path = volume.destination.replace(/^\/+/, '')
    const source = kernel.openat2(root, path === '' ? '.' : path, { flags, resolve: RESOLVE_IN_ROOT })
    try {
      copyTree(kernel, `/proc/self/fd/${source}`, volume.source)
    } finally {
      kernel.close(source)
    }
  } catch (error) {
    if (error instanceof Failure && (error.code === 'not-found' || error.code === 'failed-precondition')) return // the image has no such directory
    throw error
  } finally {
    kernel.close(root)
  }
}

/** Only those that no other container uses. */
export async function removeAnonymousVolumes(engine: Engine, container: Container): Promise<void> {
  const mine = container.record.volumes.filter((volume) => volume.isAnonymous)
  if (mine.length === 0) return
  const others = engine.containers.list().filter((other) => other !== container)
  const used = new Set(others.flatMap((other) => other.record.volumes.map((volume) => volume.name)))
  for (const volume of mine) {
    if (used.has(volume.name)) continue
    await rm(join(volumesDirectory(engine), volume.name), { recursive: true, force: true })
  }
}

function cleanPath(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, '')
}

function checkName(name: string): string {
  if (NAME.test(name) && name.length <= 255) return name
  throw new Failure(
    'invalid-argument',
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  )
}
