// What planning must know of this machine, asked once at start.
import { existsSync } from 'node:fs'
import { readOwnCapabilities } from '../linux/caps/capabilities.ts'
import { openCgroups } from '../linux/cgroup/open-cgroups.ts'
import type { HostFacts } from './plan-types.ts'

export function gatherHostFacts(): HostFacts {
  const { permitted, last } = readOwnCapabilities()
  return {
    arch: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
    cgroupVersion: openCgroups().version,
    capabilities: permitted,
    lastCapability: last,
    hasKcore: existsSync('/proc/kcore'),
  }
}
