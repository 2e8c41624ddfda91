// The machine as container specs need to know it, gathered once per engine.
import { existsSync, lstatSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { hostname, release } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '../engine.ts'
import { capabilityNames } from './spec/capabilities.ts'
import type { HostDevice, SpecDefaults, SpecHost } from './spec/spec-input.ts'

const CGROUP2_MAGIC = 0x63677270
/** Other containers' and the host's; Docker leaves them out, too. */
const SKIPPED_DEVICE_DIRECTORIES = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev'])
const SKIPPED_DEVICES = new Set(['console'])
const INIT_NAMES = [
  '/usr/libexec/docker/docker-init',
  '/usr/bin/docker-init',
  '/usr/local/bin/docker-init',
  '/usr/bin/tini-static',
]

const gathered = new WeakMap<Engine, SpecHost>()

export function specHost(engine: Engine): SpecHost {
  let host = gathered.get(engine)
  if (host === undefined) {
    host = gather()
    gathered.set(engine, host)
  }
  return host
}

export function specDefaults(engine: Engine): SpecDefaults {
  const { config } = engine
  return {
    cgroupParent: config.cgroupParent,
    noNewPrivileges: config.noNewPrivileges,
    init: config.init,
    initPath: INIT_NAMES.find((path) => existsSync(path)),
    ulimits: config.defaultUlimits,
  }
}

function gather(): SpecHost {
  const [major = '0', minor = '0'] = release().split('.')
  return {
    arch: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
    kernel: { major: Number.parseInt(major, 10), minor: Number.parseInt(minor, 10) },
    cgroupVersion: statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC ? 2 : 1,
    capabilities: capabilityNames(permittedCapabilities()),
    hostname: hostname(),
    hasSeccomp: existsSync('/proc/sys/kernel/seccomp'),
    maskedSystemPaths: thermalThrottlePaths(),
    findDevices,
  }
}

function permittedCapabilities(): bigint {
  const line = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return BigInt(`0x${line?.[1] ?? '0'}`)
}

/** They tell how hot a neighbour's work makes the processor. */
function thermalThrottlePaths(): string[] {
  const root = '/sys/devices/system/cpu'
  if (!existsSync(root)) return []
  return readdirSync(root)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => `${root}/${name}/thermal_throttle`)
    .filter((path) => existsSync(path))
}

function findDevices(path: string): HostDevice[] {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return []
  if (stat.isDirectory())
    return readdirSync(path)
      .filter((name) => !SKIPPED_DEVICE_DIRECTORIES.has(name) && !SKIPPED_DEVICES.has(name))
      .flatMap((name) => findDevices(join(path, name)))
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) return []
  return [
    {
      path,
      type: stat.isBlockDevice() ? 'b' : 'c',
      major: Math.floor(stat.rdev / 256) & 0xfff,
      minor: (stat.rdev & 0xff) | (Math.floor(stat.rdev / 0x100000) * 256),
      mode: stat.mode & 0o777,
      uid: stat.uid,
      gid: stat.gid,
    },
  ]
}
