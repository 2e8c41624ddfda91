// Which limits the host's control groups can set, as `info` tells.
import { existsSync, statfsSync } from 'node:fs'
import type { ResourceControls } from '../container/spec/validate-resources.ts'
import { readQuietly } from './host-facts.ts'

const CGROUP2_MAGIC = 0x63677270
const ROOT = '/sys/fs/cgroup'

export interface CgroupFacts extends ResourceControls {
  version: '1' | '2'
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
  const io = controllers.has('io')
  return {
    version: '2',
    memory: controllers.has('memory'),
    memoryReservation: controllers.has('memory'),
    memorySwappiness: false,
    kernelMemory: false,
    swap: controllers.has('memory') && existsSync('/proc/swaps'),
    oomKillDisable: false, // the second version has no such switch
    cpuQuota: cpu,
    cpuShares: cpu,
    cpuRealtime: false,
    blkioWeight: io,
    blkioWeightDevice: io,
    blkioThrottle: io,
    cpuset: controllers.has('cpuset'),
    pids: controllers.has('pids'),
  }
}

function legacyFacts(): CgroupFacts {
  const has = (file: string) => existsSync(`${ROOT}/${file}`)
  return {
    version: '1',
    memory: has('memory/memory.limit_in_bytes'),
    memoryReservation: has('memory/memory.soft_limit_in_bytes'),
    memorySwappiness: has('memory/memory.swappiness'),
    kernelMemory: has('memory/memory.kmem.limit_in_bytes'),
    swap: has('memory/memory.memsw.limit_in_bytes'),
    oomKillDisable: has('memory/memory.oom_control'),
    cpuQuota: has('cpu/cpu.cfs_quota_us'),
    cpuShares: has('cpu/cpu.shares'),
    cpuRealtime: has('cpu/cpu.rt_period_us') && has('cpu/cpu.rt_runtime_us'),
    blkioWeight: has('blkio/blkio.weight'),
    blkioWeightDevice: has('blkio/blkio.weight_device'),
    blkioThrottle: has('blkio/blkio.throttle.read_bps_device'),
    cpuset: has('cpuset/cpuset.cpus'),
    pids: has('pids'),
  }
}
