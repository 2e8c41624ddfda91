// HEAD, GET and PUT /containers/{id}/archive: what `docker cp` asks for.
import { Failure, isFailure } from '../../base/failure.ts'
import type { Container } from '../container/container.ts'
import { mountPoints } from '../container/mount-points.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import type { Engine } from '../engine.ts'
import type { PathStat } from './files-job.ts'
import type { OpenArchive } from './files-threads.ts'
import { viewContainer, withWritableView } from './view-container.ts'

/** A path in a container; `name` is what the client called the container. */
export interface ContainerPath {
  container: Container
  name: string
  path: string
}

/** Throws not-found in Docker's words where nothing is there. */
export async function statContainerPath(engine: Engine, place: ContainerPath, signal: AbortSignal): Promise<PathStat> {
  await using view = await viewContainer(engine, place.container, signal)
  return await view.stat(place.path).catch(explain(place))
}

/** `use` is called once it is known that there is something to give. Failures after that are the stream's. */
export async function archiveContainerPath(
  engine: Engine,
  place: ContainerPath,
  signal: AbortSignal,
  use: (archive: OpenArchive) => Promise<void>,
): Promise<void> {
  await using view = await viewContainer(engine, place.container, signal)
  const archive = await view.archive(place.path).catch(explain(place))
  publishContainerEvent(engine, place.container, 'archive-path')
  await use(archive)
}

export interface ExtractOptions {
  copiesIds: boolean
  keepsKinds: boolean
}

/** Unpacks `source` there. What fails in the middle leaves what had come by then, as with any tar. */
export async function extractToContainer(
  engine: Engine,
  place: ContainerPath,
  source: AsyncIterable<Uint8Array>,
  options: ExtractOptions,
  signal: AbortSignal,
): Promise<void> {
  const { container } = place
  const { config, hostConfig } = container.record
  const rules = {
    user: options.copiesIds && config.User ? config.User : undefined,
    keepsKinds: options.keepsKinds,
    isReadOnly: hostConfig.ReadonlyRootfs === true,
    mounts: mountPoints(container).map(({ Destination, RW }) => ({ target: Destination, isReadOnly: !RW })),
  }
  await withWritableView(engine, container, signal, (view) =>
    view.extract(place.path, rules, source).catch(explain(place)),
  )
  publishContainerEvent(engine, container, 'extract-to-dir')
}

function explain({ path, name }: ContainerPath): (error: unknown) => never {
  return (error) => {
    if (!isFailure(error, 'not-found')) throw error
    throw new Failure('not-found', `Could not find the file ${path} in container ${name}`, { cause: error })
  }
}
