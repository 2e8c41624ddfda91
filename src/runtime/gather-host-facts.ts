// What planning must know of this machine, asked once at start.
import { existsSync, readFileSync } from 'node:fs'
import { readOwnCapabilities } from '../linux/caps/capabilities.ts'
import { openCgroups } from '../linux/cgroup/open-cgroups.ts'
import type { HostFacts } from './plan-types.ts'

export function gatherHostFacts(): HostFacts {
  const { permitted, last } = readOwnCapabilities()
  const resctrl = findResctrl()
  return {
    arch: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
    cgroupVersion: openCgroups().version,
    capabilities: permitted,
    lastCapability: last,
    hasKcore: existsSync('/proc/kcore'),
    hasAppArmor:
      readIfThere('/sys/module/apparmor/parameters/enabled').startsWith('Y') &&
      existsSync('/sys/kernel/security/apparmor'),
    hasSelinux: existsSync('/sys/fs/selinux/enforce'),
    deniesSetgroups: readIfThere('/proc/self/setgroups').startsWith('deny'),
    ...(resctrl === undefined ? {} : { resctrl }),
  }
}

function findResctrl(): string | undefined {
  return /^\S+ \S+ \S+ \S+ (\S+) .* - resctrl /m.exec(readIfThere('/proc/self/mountinfo'))?.[1]
}

/** Empty where there is no such file, or none for us. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the kernel was built without it
  }
}
