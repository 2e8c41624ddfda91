// What a container is doing, found out anew each time: from its record, its process, its FIFO and its control group.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { isAlive } from '../linux/proc/process-stat.ts'
import { START_FIFO } from './make-fifo.ts'
import { type ContainerRecord, directoryOf } from './state-store.ts'

export type Status = 'creating' | 'created' | 'running' | 'paused' | 'stopped'

export function statusOf(root: string, record: ContainerRecord): Status {
  if (!record.isCreated) return isAlive(record.maker.pid, record.maker.startTicks) ? 'creating' : 'stopped'
  if (!isAlive(record.pid, record.startTicks)) return 'stopped'
  if (record.cgroup !== undefined && reopenCgroup(record.cgroup).isFrozen()) return 'paused'
  return existsSync(join(directoryOf(root, record.id), START_FIFO)) ? 'created' : 'running'
}

/** The state that `state` prints and hooks read (runtime.md, "State"), in the spec's order. */
export function stateDocument(record: ContainerRecord, status: Status): Record<string, unknown> {
  const { annotations } = record.spec
  return {
    ociVersion: record.spec.ociVersion,
    id: record.id,
    // A container that has ended has none (runtime.md allows it); callers of runc read 0.
    pid: status === 'stopped' ? 0 : record.pid,
    status,
    bundle: record.bundle,
    rootfs: record.rootfs,
    created: record.created,
    ...(annotations === undefined ? {} : { annotations }),
    owner: '',
  }
}
