// Which limits the host's control groups can set, as `info` tells.
import { existsSync, statfsSync } from 'node:fs'
import { readQuietly } from './host-facts.ts'

const CGROUP2_MAGIC = 0x63677270
const ROOT = '/sys/fs/cgroup'

export interface CgroupFacts {
  version: '1' | '2'
  memory: boolean
  swap: boolean
  oomKillDisable: boolean
  cpuQuota: boolean
  cpuShares: boolean
  cpuset: boolean
  pids: boolean
}

export function cgroupFacts(): CgroupFacts {
  return isUnified() ? unifiedFacts() : legacyFacts()
}

function isUnified(): boolean {
  try {
    return statfsSync(ROOT).type === CGROUP2_MAGIC
  } catch {
    return true // no cgroups at all: nothing can be limited, which the version 2 branch says as well
  }
}

function unifiedFacts(): CgroupFacts {
  const controllers = new Set((readQuietly(`${ROOT}/cgroup.controllers`) ?? '').trim().split(/\s+/))
  const cpu = controllers.has('cpu')
  return {
    version: '2',
    memory: controllers.has('memory'),
    swap: controllers.has('memory') && existsSync('/proc/swaps'),
    oomKillDisable: false, // the second version has no such switch
    cpuQuota: cpu,
    cpuShares: cpu,
    cpuset: controllers.has('cpuset'),
    pids: controllers.has('pids'),
  }
}

function legacyFacts(): CgroupFacts {
  const has = (file: string) => existsSync(`${ROOT}/${file}`)
  return {
    version: '1',
    memory: has('memory/memory.limit_in_bytes'),
    swap: has('memory/memory.memsw.limit_in_bytes'),
    oomKillDisable: has('memory/memory.oom_control'),
    cpuQuota: has('cpu/cpu.cfs_quota_us'),
    cpuShares: has('cpu/cpu.shares'),
    cpuset: has('cpuset/cpuset.cpus'),
    pids: has('pids'),
  }
}
