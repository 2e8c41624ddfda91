// POST /containers/prune: removes every container that is down and passes the filters.
import { Failure, isFailure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Filters } from '../http/filters.ts'
import { hasLabel } from '../http/filters.ts'
import { parseUntil } from '../http/until.ts'
import type { Container } from './container.ts'
import { countsAsRunning } from './container-state.ts'
import { removeContainer } from './remove.ts'
import { measureSizes } from './sizes.ts'

const running = new WeakSet<Engine>()

export async function pruneContainers(engine: Engine, filters: Filters): Promise<Record<string, unknown>> {
  filters.check(['label', 'label!', 'until'])
  const untilMs = parseUntil(filters, engine.clock.now())
  if (running.has(engine)) throw new Failure('conflict', 'a prune operation is already running')
  running.add(engine)
  try {
    let reclaimed = 0
    const deleted: string[] = []
    for (const container of engine.containers.list()) {
      if (countsAsRunning(container.state) || !matches(container, filters, untilMs)) continue
      const size = await measureSizes(engine, container).catch(() => undefined) // a lost layer must not keep the rest
      try {
        await removeContainer(engine, container, { force: false, removeVolumes: false })
      } catch (error) {
        if (!isFailure(error, 'conflict')) throw error
        continue // started or removed meanwhile
      }
      deleted.push(container.id)
      reclaimed += size?.writableBytes ?? 0
    }
    engine.events.publish('container', 'prune', { ID: '', Attributes: { reclaimed: String(reclaimed) } })
    return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed }
  } finally {
    running.delete(engine)
  }
}

function matches(container: Container, filters: Filters, untilMs: number | undefined): boolean {
  const labels = container.record.config.Labels ?? {}
  if (untilMs !== undefined && container.createdAtMs > untilMs) return false
  if (!filters.labels('label', labels)) return false
  return !filters.get('label!').some((wanted) => hasLabel(labels, wanted))
}
