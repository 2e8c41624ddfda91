// Making a group in the unified tree: every level, and the controllers passed on down to it.
import { chownSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { hasErrno, KernelError } from '../kernel-error.ts'
import type { CgroupLimits } from './cgroup.ts'
import { readGroupFile, writeGroupFile } from './group-files.ts'

/** `onMade` is told of every level that was not there, outermost first. */
export function makeV2Group(
  mountpoint: string,
  directory: string,
  limits: CgroupLimits,
  onMade: (level: string) => void,
): void {
  const levels: string[] = []
  for (let level = directory; level !== mountpoint && level !== '/'; level = dirname(level)) levels.unshift(level)
  passControllersOn(mountpoint)
  for (const level of levels) {
    if (makeLevel(level)) onMade(level)
    adaptType(level, limits)
    if (level !== directory) passControllersOn(level)
  }
}

function makeLevel(level: string): boolean {
  try {
    mkdirSync(level, 0o755)
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw new KernelError('mkdir', level, error instanceof Error && 'errno' in error ? -Number(error.errno) : 0)
  }
}

/** What cannot be passed on (a group with processes, a user without permission) is missed only by the limit that wants it. */
function passControllersOn(group: string): void {
  const words = (file: string) => (readGroupFile(group, file) ?? '').trim().split(' ').filter(Boolean)
  const passedOn = new Set(words('cgroup.subtree_control'))
  const missing = words('cgroup.controllers').filter((name) => !passedOn.has(name))
  if (missing.length === 0) return
  const pass = (names: readonly string[]): boolean => {
    try {
      writeGroupFile(group, { file: 'cgroup.subtree_control', value: names.map((name) => `+${name}`).join(' ') })
      return true
    } catch {
      return false // see above
    }
  }
  if (!pass(missing) && missing.length > 1) for (const name of missing) pass([name])
}

/**
 * Below a group that has processes of its own a new one is invalid as a domain; as a threaded one it can be used, but only for what counts
 * by thread.
 */
function adaptType(level: string, limits: CgroupLimits): void {
  const type = readGroupFile(level, 'cgroup.type')?.trim()
  if (type === undefined || type === 'domain') return
  if (needsDomainController(limits))
    throw new Failure(
      'failed-precondition',
      type === 'domain invalid'
        ? `cannot enter cgroupv2 ${JSON.stringify(level)} with domain controllers -- it is in an invalid state`
        : `cannot enter cgroupv2 ${JSON.stringify(level)} with domain controllers -- it is in ${type} mode`,
    )
  if (type === 'domain invalid') writeGroupFile(level, { file: 'cgroup.type', value: 'threaded' })
}

function needsDomainController(limits: CgroupLimits): boolean {
  const { memoryBytesMax, memoryReservationBytes, memorySwapBytesMax, cpuShares, cpuQuotaUs, cpuPeriodUs } = limits
  return Boolean(
    memoryBytesMax ||
      memoryReservationBytes ||
      memorySwapBytesMax ||
      limits.blockIoWeight ||
      limits.blockIoWeightDevices?.length ||
      limits.blockIoThrottles?.length ||
      cpuShares ||
      cpuQuotaUs ||
      cpuPeriodUs ||
      limits.cpuIdle !== undefined ||
      limits.cpuBurstUs !== undefined ||
      Object.keys(limits.hugepageBytes ?? {}).length > 0,
  )
}

/** Anything at all that only a group can do. */
export function needsController(limits: CgroupLimits): boolean {
  return Boolean(
    needsDomainController(limits) ||
      limits.pidsMax !== undefined ||
      limits.cpusetCpus ||
      limits.cpusetMems ||
      Object.keys(limits.rdma ?? {}).length > 0 ||
      Object.keys(limits.unified ?? {}).length > 0,
  )
}

/** Gives the group to the container's root, who may then make groups below it (cgroups(7), "Cgroup delegation"). */
export function delegateTo(directory: string, uid: number): void {
  chownSync(directory, uid, -1)
  for (const file of delegatedFiles()) {
    try {
      chownSync(join(directory, file), uid, -1)
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error // of a controller that is not there
    }
  }
}

function delegatedFiles(): string[] {
  try {
    const files = readFileSync('/sys/kernel/cgroup/delegate', 'utf8').split('\n')
    return files.filter((file) => file !== '' && !file.includes('/'))
  } catch {
    return ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads'] // before kernel 4.15
  }
}
