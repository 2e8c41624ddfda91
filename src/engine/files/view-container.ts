// A thread that sees a container's files: of a running one by its mount namespace, of any other by its layers, volumes and binds.
import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { Failure, messageOf } from '../../base/failure.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import type { Fd } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Container } from '../container/container.ts'
import { notRunning } from '../container/container.ts'
import { isAlive } from '../container/container-state.ts'
import { setUpMounts } from '../container/mounts/set-up-mounts.ts'
import { hostnamePath, hostsPath, resolvConfPath } from '../container/paths.ts'
import { layersOf, overlayOptions } from '../container/read-user-files.ts'
import { requireMounts } from '../container/tasks.ts'
import type { Engine } from '../engine.ts'
import type { IdMap } from '../userns/id-map.ts'
import { mapOf, namespaceOf } from '../userns/map-of-container.ts'
import type { SourceMount } from './files-job.ts'
import type { FilesView } from './files-threads.ts'

/** To read from. Throws conflict where the container ends at this very moment. */
export async function viewContainer(engine: Engine, container: Container, signal: AbortSignal): Promise<FilesView> {
  for (;;) {
    if (isAlive(container.state)) return await viewRunning(engine, container, false, signal)
    // Volumes are mounted while the thread takes hold of them; a start has them from then on.
    const view = await whileStopped(container, () => viewStopped(engine, container, { isWritable: false }, signal))
    if (view !== 'started') return view
  }
}

/** Without volumes, binds and whatever else is mounted in there. */
export async function viewContainerRoot(engine: Engine, container: Container, signal: AbortSignal): Promise<FilesView> {
  if (isAlive(container.state)) return await viewRunning(engine, container, true, signal)
  const layers = layersOf(await requireMounts(engine, container), true)
  const ids = mappedIds(engine, container)
  return await engine.files.open(
    container.id,
    { kind: 'layers', layers, writable: undefined, mounts: [], ...ids },
    signal,
  )
}

/** To write to, for as long as `work` takes. A container that does not run can't be started meanwhile: its layer is in use. */
export async function withWritableView(
  engine: Engine,
  container: Container,
  signal: AbortSignal,
  work: (view: FilesView) => Promise<void>,
): Promise<void> {
  for (;;) {
    if (isAlive(container.state)) {
      await using view = await viewRunning(engine, container, false, signal)
      return await work(view)
    }
    const worked = await whileStopped(container, async () => {
      await using view = await viewStopped(engine, container, { isWritable: true }, signal)
      await work(view)
    })
    if (worked !== 'started') return
  }
}

/** What waits for its turn may come after a start, which has the volumes, and the layer to write to; or after a removal. */
async function whileStopped<T>(container: Container, work: () => Promise<T>): Promise<T | 'started'> {
  return await container.lock.run(async () => {
    if (container.isGone) throw new Failure('not-found', `No such container: ${container.id}`)
    return isAlive(container.state) ? 'started' : await work()
  })
}

async function viewRunning(
  engine: Engine,
  container: Container,
  isRootOnly: boolean,
  signal: AbortSignal,
): Promise<FilesView> {
  const [mount] = await requireMounts(engine, container)
  const upperDirectory = mount?.options.find((option) => option.startsWith(UPPER))?.slice(UPPER.length) ?? ''
  const namespace = openNamespace(container)
  try {
    const map = mapOf(engine, container)
    const ids = map === undefined ? {} : { ids: map }
    return await engine.files.open(
      container.id,
      { kind: 'namespace', namespace, upperDirectory, isRootOnly, ...ids },
      signal,
    )
  } finally {
    closeSync(namespace)
  }
}

const UPPER = 'upperdir='

/** That it is this container's, and not a later process's of the same number, is seen by what is mounted in there. */
function openNamespace(container: Container): Fd {
  try {
    return openSync(`/proc/${container.state.pid}/ns/mnt`, constants.O_RDONLY)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) throw notRunning(container)
    throw error
  }
}

async function viewStopped(
  engine: Engine,
  container: Container,
  { isWritable }: { isWritable: boolean },
  signal: AbortSignal,
): Promise<FilesView> {
  const mounts = await requireMounts(engine, container)
  await using undo = new UndoStack((error) =>
    engine.log.warn('undo of a view failed', { container: container.id, error: messageOf(error) }),
  )
  return await engine.files.open(
    container.id,
    {
      kind: 'layers',
      layers: layersOf(mounts, true),
      writable: isWritable ? overlayOptions(mounts) : undefined,
      mounts: await sourceMounts(engine, container, undo),
      ...mappedIds(engine, container),
    },
    signal,
  )
}

function mappedIds(engine: Engine, container: Container): { ids?: IdMap; userNamespace?: Fd } {
  const ids = mapOf(engine, container)
  return ids === undefined ? {} : { ids, userNamespace: namespaceOf(ids) }
}

/** From the root down, so that one in another comes after it. */
async function sourceMounts(engine: Engine, container: Container, undo: UndoStack): Promise<SourceMount[]> {
  const users = (await setUpMounts(engine, container, undo)).flatMap((mount) => {
    if (mount.kind !== 'bind') return [] // memory of a run that is over
    const { source, destination, options } = mount
    const isReadOnly = options.includes('ro') || options.includes('rro')
    return [{ source, target: destination, isReadOnly, isRecursive: options.includes('rbind') }]
  })
  const taken = new Set(users.map(({ target }) => target))
  return [...users, ...fileMounts(container).filter(({ target }) => !taken.has(target))].sort(
    (a, b) => depthOf(a.target) - depthOf(b.target),
  )
}

/** What the last start has written for the network; never started, a container has none. */
function fileMounts(container: Container): SourceMount[] {
  const files = [
    ['/etc/resolv.conf', resolvConfPath(container)],
    ['/etc/hostname', hostnamePath(container)],
    ['/etc/hosts', hostsPath(container)],
  ] as const
  const isReadOnly = container.record.hostConfig.ReadonlyRootfs === true
  return files.flatMap(([target, source]) =>
    existsSync(source) ? [{ source, target, isReadOnly, isRecursive: false }] : [],
  )
}

function depthOf(path: string): number {
  return path === '/' ? 0 : path.split('/').length
}
