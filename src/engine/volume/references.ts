// Who uses a volume: containers, running or not, whose mounts name it.
import type { Engine } from '../engine.ts'

/** Ids, in the order of creation. */
export function referencesOf(engine: Pick<Engine, 'containers'>, name: string): string[] {
  return engine.containers
    .list()
    .filter(({ record }) => record.mountPoints.some((mount) => mount.type === 'volume' && mount.name === name))
    .map(({ id }) => id)
    .reverse()
}

/** Names of all volumes that some container has. */
export function referencedVolumes(engine: Pick<Engine, 'containers'>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { record } of engine.containers.list()) {
    const names = new Set(record.mountPoints.flatMap((mount) => (mount.type === 'volume' ? [mount.name] : [])))
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
