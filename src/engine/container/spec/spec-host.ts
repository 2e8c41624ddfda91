// The machine as specs need to know it. Read once; device nodes when asked for.
import { lstatSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { hostname, release } from 'node:os'
import { join } from 'node:path'
import { capabilityNames } from './capabilities.ts'
import type { HostDevice, SpecHost } from './spec-input.ts'

export function readSpecHost(facts: { cgroupVersion: 1 | 2; hasAppArmor: boolean }): SpecHost {
  const status = readFileSync('/proc/self/status', 'utf8')
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10))
  return {
    arch: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
    kernel: { major, minor },
    cgroupVersion: facts.cgroupVersion,
    hasAppArmor: facts.hasAppArmor,
    capabilities: capabilityNames(BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)),
    hostname: hostname(),
    hasSeccomp: /^Seccomp_filters:/m.test(status) || /^Seccomp:/m.test(status),
    maskedSystemPaths: findThermalThrottle(),
    hasMqueue: statSync('/dev/mqueue', { throwIfNoEntry: false }) !== undefined,
    findDevices,
  }
}

/** `/sys/devices/system/cpu/cpu<n>/thermal_throttle`: what other tenants do can be read off them. */
function findThermalThrottle(): string[] {
  const root = '/sys/devices/system/cpu'
  return listDirectory(root)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => join(root, name, 'thermal_throttle'))
    .filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)
}

/** Not devices of the host but of some namespace. */
const SKIPPED_DIRECTORIES = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev'])

/** The node at the path, over links, or every node below a directory except terminals of others; empty if there is none. */
export function findDevices(path: string): HostDevice[] {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return []
  if (!found.isDirectory()) return readDevice(path, realpathSync(path))
  return listDirectory(path).flatMap((name) => {
    const child = join(path, name)
    const stat = lstatSync(child, { throwIfNoEntry: false })
    if (stat?.isDirectory() === true) return SKIPPED_DIRECTORIES.has(name) ? [] : findDevices(child)
    // A symbolic link would give one node two names; the console is the container's own.
    return child === '/dev/console' ? [] : readDevice(child, child)
  })
}

function readDevice(path: string, target: string): HostDevice[] {
  const stat = lstatSync(target, { throwIfNoEntry: false })
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return []
  const type = stat.isBlockDevice() ? 'b' : 'c'
  return [{ path, type, ...deviceNumbers(stat.rdev), mode: stat.mode & 0o777, uid: stat.uid, gid: stat.gid }]
}

/** Of `st_rdev`, by glibc's makedev: the numbers' high parts stand above bit 32 and between bits 12 and 31. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const device = BigInt(rdev)
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch {
    return [] // gone between two looks, or not readable: no device to hand on
  }
}
