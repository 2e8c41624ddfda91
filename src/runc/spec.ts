// `spec`: a configuration to start from.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import { openCgroups } from '../linux/cgroup/open-cgroups.ts'
import type { MountSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import type { Command } from './command.ts'
import { ioReason } from './io-error.ts'
import { SPEC_VERSION } from './version.ts'

export const spec: Command = ({ options }) => {
  const name = options.text('file') || 'config.json'
  const path = join(options.text('bundle') || '.', name)
  if (existsSync(path)) throw new Failure('already-exists', `File ${name} exists. Remove it first`)
  const isRootless = options.flag('rootless')
  try {
    writeFileSync(path, `${JSON.stringify(isRootless ? makeRootless(starter()) : starter(), null, '\t')}\n`, {
      flag: 'wx',
      mode: 0o666,
    })
  } catch (error) {
    throw new Failure('invalid-argument', `open ${path}: ${ioReason(error)}`, { cause: error })
  }
  return 0
}

const FEW = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE']
const SAFE = ['nosuid', 'noexec', 'nodev']

function starter(): RuntimeSpec {
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: { bounding: FEW, effective: FEW, permitted: FEW },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'berth',
    mounts: [
      mount('/proc', 'proc', 'proc'),
      mount('/dev', 'tmpfs', 'tmpfs', 'nosuid', 'strictatime', 'mode=755', 'size=65536k'),
      mount('/dev/pts', 'devpts', 'devpts', 'nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'),
      mount('/dev/shm', 'tmpfs', 'shm', ...SAFE, 'mode=1777', 'size=65536k'),
      mount('/dev/mqueue', 'mqueue', 'mqueue', ...SAFE),
      mount('/sys', 'sysfs', 'sysfs', ...SAFE, 'ro'),
      mount('/sys/fs/cgroup', 'cgroup', 'cgroup', ...SAFE, 'relatime', 'ro'),
    ],
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      namespaces: [
        { type: 'pid' },
        { type: 'network' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        // With v1 a container that sees its groups one by one needs none, and callers count on finding them by their names.
        ...(openCgroups().version === 2 ? [{ type: 'cgroup' as const }] : []),
      ],
      maskedPaths: [
        '/proc/acpi',
        '/proc/asound',
        '/proc/interrupts',
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/sched_debug',
        '/proc/scsi',
        '/proc/timer_list',
        '/proc/timer_stats',
        '/sys/devices/virtual/powercap',
        '/sys/firmware',
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  }
}

function mount(destination: string, type: string, source: string, ...options: string[]): MountSpec {
  return options.length === 0 ? { destination, type, source } : { destination, type, source, options }
}

/** For an ordinary user: himself as root, the host's network, no limits. A sysfs of its own needs a network namespace of its own. */
function makeRootless(full: RuntimeSpec): RuntimeSpec {
  const { resources: _, ...linux } = full.linux ?? {}
  return {
    ...full,
    mounts: (full.mounts ?? []).map((each) => {
      if (each.type === 'devpts')
        return { ...each, options: each.options?.filter((option) => !option.startsWith('gid=')) ?? [] }
      return each.type === 'sysfs' ? mount('/sys', 'none', '/sys', 'rbind', ...SAFE, 'ro') : each
    }),
    linux: {
      ...linux,
      namespaces: [...(linux.namespaces ?? []).filter(({ type }) => type !== 'network'), { type: 'user' }],
      uidMappings: [{ containerID: 0, hostID: process.geteuid?.() ?? 0, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: process.getegid?.() ?? 0, size: 1 }],
    },
  }
}
