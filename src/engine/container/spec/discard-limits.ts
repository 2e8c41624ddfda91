// Limits that this kernel has no controller for: dropped with Docker's warning, or refused where Docker refuses.
import type { HostConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'

export interface LimitFacts {
  memory: boolean
  cpuQuota: boolean
  cpuShares: boolean
  cpuset: boolean
  pids: boolean
}

interface Rule {
  needs: keyof LimitFacts
  /** The first is what is warned of; all are dropped. */
  fields: readonly (keyof HostConfig)[]
  what: string
  discarded: string
}

const RULES: readonly Rule[] = [
  { needs: 'memory', fields: ['Memory', 'MemorySwap'], what: 'memory limit capabilities', discarded: 'Limitation' },
  { needs: 'memory', fields: ['MemoryReservation'], what: 'memory soft limit capabilities', discarded: 'Limitation' },
  {
    needs: 'memory',
    fields: ['MemorySwappiness'],
    what: 'memory swappiness capabilities',
    discarded: 'Memory swappiness',
  },
  { needs: 'pids', fields: ['PidsLimit'], what: 'PIDs limit capabilities', discarded: 'PIDs limit' },
  { needs: 'cpuShares', fields: ['CpuShares'], what: 'CPU shares', discarded: 'Shares' },
  { needs: 'cpuQuota', fields: ['CpuPeriod'], what: 'CPU CFS scheduler period', discarded: 'Period' },
  { needs: 'cpuQuota', fields: ['CpuQuota'], what: 'CPU CFS scheduler quota', discarded: 'Quota' },
  { needs: 'cpuset', fields: ['CpusetCpus', 'CpusetMems'], what: 'cpuset', discarded: 'Cpuset' },
]

/** Returns the warnings; what cannot hold is gone from `hostConfig`. */
export function discardLimits(hostConfig: HostConfig, facts: LimitFacts): string[] {
  if (hostConfig.NanoCpus && !facts.cpuQuota)
    throw new Failure(
      'invalid-argument',
      'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    )
  return RULES.flatMap(({ needs, fields, what, discarded }) => {
    const given = fields.filter((field) => isSet(hostConfig[field]))
    if (facts[needs] || given.length === 0) return []
    for (const field of given) delete hostConfig[field]
    return [`Your kernel does not support ${what} or the cgroup is not mounted. ${discarded} discarded.`]
  })
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== 0 && value !== ''
}
