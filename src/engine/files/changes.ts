// GET /containers/{id}/changes: what the container's own layer has, told against what its image had.
import type { Container } from '../container/container.ts'
import { layersOf } from '../container/read-user-files.ts'
import { requireMounts } from '../container/tasks.ts'
import { turnedNamespaceOf, mapOf } from '../userns/map-of-container.ts'
import type { Engine } from '../engine.ts'

export interface ContainerChange {
  Path: string
  /** 0 modified, 1 added, 2 deleted. */
  Kind: number
}

/** Takes as long as what was written is large, running or not. */
export async function listContainerChanges(
  engine: Engine,
  container: Container,
  signal: AbortSignal,
): Promise<ContainerChange[]> {
  const mounts = await requireMounts(engine, container)
  const [mount] = mounts
  const [upper = '', ...lowers] = layersOf(mounts, true)
  const overlayPrefix = mount?.options.includes('userxattr') ? 'user.overlay.' : 'trusted.overlay.'
  const map = mapOf(engine, container)
  const turned = map === undefined ? {} : { userNamespace: turnedNamespaceOf(map) }
  const changes =
    (mount?.type === 'overlay'
      ? await engine.files.compare(container.id, { upper, lowers, overlayPrefix, ...turned }, signal)
      : undefined) ??
    (await engine.files.compare(container.id, { upper, lowers, overlayPrefix: undefined, ...turned }, signal)) ??
    []
  return changes.map(({ path, kind }) => ({ Path: Buffer.from(path, 'latin1').toString('utf8'), Kind: kind }))
}
