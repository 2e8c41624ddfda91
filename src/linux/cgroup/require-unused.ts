// Before a container is made: its group must not hold somebody else's processes, nor hold still.
import { Failure } from '../../base/failure.ts'
import type { Cgroup } from './cgroup.ts'
import { pidsBelow } from './group-files.ts'

/** Throws Failure('failed-precondition'). A group that is not there, or that is empty, is fine. */
export function requireUnusedCgroup(cgroup: Cgroup): void {
  const pids = new Set(Object.values(cgroup.describe().paths).flatMap(pidsBelow))
  if (pids.size > 0)
    throw new Failure('failed-precondition', `container's cgroup is not empty: ${pids.size} process(es) found`)
  // Whatever entered would stop there, before it could tell that it lives.
  if (cgroup.isFrozen()) throw new Failure('failed-precondition', "container's cgroup unexpectedly frozen")
}
