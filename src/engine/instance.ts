// What distinguishes the engines of one host, so that any number of them share nothing but the kernel.
import { createHash } from 'node:crypto'

export const DEFAULT_DATA_ROOT = '/var/lib/berth'

/** `default` for the engine with the default data root, otherwise a name made of the data root: one root, one engine. */
export function instanceOf(dataRoot: string): string {
  if (dataRoot === DEFAULT_DATA_ROOT) return 'default'
  return createHash('sha256').update(dataRoot).digest('hex').slice(0, 8)
}

/** Where the engine's containers have their cgroups, unless it is told otherwise. */
export function defaultCgroupParent(dataRoot: string): string {
  const instance = instanceOf(dataRoot)
  return instance === 'default' ? 'berth' : `berth-${instance}`
}
