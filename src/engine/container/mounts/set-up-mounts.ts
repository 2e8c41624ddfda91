// The mounts of a container that starts: volumes are mounted, missing sources of binds made, subpaths opened; and the way back when it has ended.
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { Failure, isFailure, messageOf, withSubject } from '../../../base/failure.ts'
import type { UndoStack } from '../../../base/undo-stack.ts'
import { AT_FDCWD, O_DIRECTORY, O_PATH } from '../../../linux/constants.ts'
import type { Kernel } from '../../../linux/kernel.ts'
import { hasErrno } from '../../../linux/kernel-error.ts'
import type { Engine } from '../../engine.ts'
import { mappedRoot, type Owner } from '../../userns/id-map.ts'
import { publishVolumeEvent } from '../../volume/publish-event.ts'
import { referencesOf } from '../../volume/references.ts'
import type { Container } from '../container.ts'
import { isBuiltInRuntime } from '../containerd-runtime.ts'
import { makeDirectoriesBelow } from '../make-directories.ts'
import { type BindFacts, bindMount, tmpfsMount } from '../spec/spec-mount.ts'
import type { SpecMount } from '../spec/spec-input.ts'
import { specHost } from '../spec-facts.ts'
import { checkPropagation } from './check-propagation.ts'
import { cleanPath, type ContainerMount, holderOf } from './container-mount.ts'
import { bindSubpath, mountImage } from './image-mounts.ts'
import { removeTemporaryMounts, temporaryMountPath } from './temporary-mounts.ts'

/** What is undone takes the volumes back; temporary mounts the caller removes once the container runs. */
export async function setUpMounts(engine: Engine, container: Container, undo: UndoStack): Promise<SpecMount[]> {
  undo.defer(() => removeTemporaryMounts(engine, container.id))
  const covered = new Set(Object.keys(container.record.hostConfig.Tmpfs ?? {}).map(cleanPath))
  const made: SpecMount[] = []
  for (const mount of container.record.mountPoints) {
    if (covered.has(mount.destination)) continue
    if (mount.type === 'tmpfs') made.push(tmpfsMount(mount))
    else made.push(await setUpBind(engine, container, mount, undo))
  }
  return made
}

async function setUpBind(
  engine: Engine,
  container: Container,
  mount: ContainerMount,
  undo: UndoStack,
): Promise<SpecMount> {
  const source = await sourceOf(engine, container, mount, undo)
  const isAlone = checkPropagation(mount, source, engine.config.dataRoot)
  const made = bindMount(mount, source, { ...bindFacts(engine, container), isAlone })
  if (mount.type === 'volume')
    publishVolumeEvent(engine, mount.name, 'mount', {
      driver: mount.driver,
      container: container.id,
      destination: mount.destination,
      'read/write': String(mount.readWrite),
      propagation: mount.propagation,
    })
  return made
}

async function sourceOf(engine: Engine, container: Container, mount: ContainerMount, undo: UndoStack): Promise<string> {
  if (mount.type === 'image') return await mountImage(engine, container, mount)
  if (mount.type === 'bind') {
    if (mount.makesSource) await makeSource(engine, mount.source)
    return mount.source
  }
  const path = await mountVolume(engine, container, mount)
  undo.defer(() => releaseVolume(engine, container, mount))
  const subpath = mount.spec.VolumeOptions?.Subpath
  if (!subpath) return path
  const name = `volume-${container.record.mountPoints.indexOf(mount)}`
  return bindSubpath(engine, path, subpath, temporaryMountPath(engine, container.id, name))
}

async function mountVolume(engine: Engine, container: Container, mount: ContainerMount): Promise<string> {
  try {
    mount.source = await engine.volumes.mount(mount.name, holderOf(container.id, mount))
    return mount.source
  } catch (error) {
    throw withSubject(`error while mounting volume '${mount.source}'`, error)
  }
}

/** `-v` makes a missing directory on the host, root's, as Docker always has; of the containers' root where that is another. */
async function makeSource({ config, kernel, bounded }: Engine, path: string): Promise<void> {
  try {
    if ((await bounded.kindOf(path)) !== undefined) return // also where it hangs: mkdir's own look would
    if (config.idMap === undefined) mkdirSync(path, { recursive: true, mode: 0o755 })
    else makeOwned(kernel, path, mappedRoot(config.idMap))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOTDIR' || hasErrno(error, 'EEXIST', 'ENOTDIR')) return // a file or a socket is bound
    throw new Failure('unknown', `error while creating mount source path '${path}': ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function makeOwned(kernel: Kernel, path: string, owner: Owner): void {
  if (existsSync(path)) return
  let base = dirname(path)
  while (!existsSync(base)) base = dirname(base)
  const root = kernel.openat2(AT_FDCWD, base, { flags: O_PATH | O_DIRECTORY })
  try {
    makeDirectoriesBelow(kernel, root, relative(base, path).split('/'), owner)
  } finally {
    kernel.close(root)
  }
}

function bindFacts(engine: Engine, container: Container): Omit<BindFacts, 'isAlone'> {
  const { kernel } = specHost(engine)
  const runtime = container.record.hostConfig.Runtime ?? ''
  if (kernel.major < 5 || (kernel.major === 5 && kernel.minor < 12))
    return { whyNotRecursive: 'rro is not supported: function not implemented (kernel is older than 5.12?)' }
  if (isBuiltInRuntime(engine, runtime)) return { whyNotRecursive: undefined }
  return {
    whyNotRecursive: `rro is not supported by runtime ${JSON.stringify(runtime)}: OCI features struct is not available`,
  }
}

/** After the container's end, or a start that failed. Never rejects: the container is down whatever a driver says. */
export async function releaseMounts(engine: Engine, container: Container): Promise<void> {
  for (const mount of container.record.mountPoints) {
    if (mount.type === 'volume') await releaseVolume(engine, container, mount)
  }
}

async function releaseVolume(engine: Engine, container: Container, mount: ContainerMount): Promise<void> {
  try {
    await engine.volumes.unmount(mount.name, holderOf(container.id, mount))
  } catch (error) {
    if (!isFailure(error, 'not-found'))
      engine.log.warn('a volume could not be unmounted', {
        ...{ container: container.id, volume: mount.name, error: messageOf(error) },
      })
    return
  }
  publishVolumeEvent(engine, mount.name, 'unmount', { driver: mount.driver, container: container.id })
}

/** Of a container that an earlier engine has started and that runs. */
export function adoptMounts(engine: Engine, container: Container): void {
  for (const mount of container.record.mountPoints)
    if (mount.type === 'volume') engine.volumes.adopt(mount.name, holderOf(container.id, mount))
}

/** Once, when every container that runs has been adopted. */
export async function sweepVolumes(engine: Engine, isOwned: (containerId: string) => boolean): Promise<void> {
  await engine.volumes.sweep(isOwned, (name) => referencesOf(engine, name))
}
