// What the daemon fills in where a request leaves a host configuration open; inspect shows the result.
import type { HostConfig } from '../../../api/container-types.ts'

const CPU_SHARES_MIN = 2
const CPU_SHARES_MAX = 262_144

export interface HostConfigDefaults {
  cgroupVersion: 1 | 2
  networkMode?: string
  shmBytes: number
  ipcMode: string
  /** Undefined: by the version of the control groups. */
  cgroupnsMode: 'host' | 'private' | undefined
}

/** A new value; what the request says stays. */
export function adaptHostConfig(hostConfig: HostConfig, facts: HostConfigDefaults): HostConfig {
  const adapted: HostConfig = { ...hostConfig }
  if (!adapted.NetworkMode || adapted.NetworkMode === 'default') adapted.NetworkMode = facts.networkMode ?? 'bridge'
  if (!adapted.ShmSize) adapted.ShmSize = facts.shmBytes
  if (!adapted.IpcMode) adapted.IpcMode = facts.ipcMode
  if (!adapted.CgroupnsMode) adapted.CgroupnsMode = cgroupnsMode(adapted, facts)
  const { Name = '', MaximumRetryCount = 0 } = adapted.RestartPolicy ?? {}
  adapted.RestartPolicy = { Name: Name || 'no', MaximumRetryCount }
  // Without a word on swap, as much swap as memory.
  if ((adapted.Memory ?? 0) > 0 && (adapted.MemorySwap ?? 0) === 0) adapted.MemorySwap = (adapted.Memory ?? 0) * 2
  const shares = adapted.CpuShares ?? 0
  if (shares > 0) adapted.CpuShares = Math.min(Math.max(shares, CPU_SHARES_MIN), CPU_SHARES_MAX)
  if (adapted.MemorySwappiness === -1) adapted.MemorySwappiness = null
  if (adapted.PidsLimit != null && adapted.PidsLimit <= 0) adapted.PidsLimit = null
  adapted.OomKillDisable ??= false
  if (isUnlabelled(adapted)) adapted.SecurityOpt = [...(adapted.SecurityOpt ?? []), 'label=disable']
  return adapted
}

/** Who sees the host's processes, or all of it, gets no label of its own. */
function isUnlabelled({ Privileged, PidMode, IpcMode, SecurityOpt }: HostConfig): boolean {
  if ((SecurityOpt ?? []).some((option) => option.split('=')[0] === 'label')) return false
  return Privileged === true || PidMode === 'host' || IpcMode === 'host'
}

/** With version 1 a privileged container sees the host's groups, whatever the daemon says. */
function cgroupnsMode({ Privileged: isPrivileged }: HostConfig, facts: HostConfigDefaults): 'host' | 'private' {
  if (facts.cgroupVersion === 1 && isPrivileged === true) return 'host'
  return facts.cgroupnsMode ?? (facts.cgroupVersion === 2 ? 'private' : 'host')
}
