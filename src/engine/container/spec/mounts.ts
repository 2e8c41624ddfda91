// The mounts of a runtime spec: Docker's own, then the user's from the root downwards.
import { posix } from 'node:path'
import type { HostConfig, Mount } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import type { MountSpec } from '../../../oci/runtime-spec.ts'
import { parseBind } from './parse-bind.ts'
import { hasInit, INIT_DESTINATION } from './process-spec.ts'
import type { SecurityOptions } from './security-options.ts'
import type { SpecInput } from './spec-input.ts'

const DEFAULT_SHM_BYTES = 64 << 20
const TMPFS_OPTIONS = ['noexec', 'nosuid', 'nodev', 'rprivate']

export function buildMounts(input: SpecInput, security: SecurityOptions): MountSpec[] {
  const own = [...userMounts(input), ...fileMounts(input), ...shmMounts(input)]
  const taken = new Set(own.map((mount) => mount.destination))
  const kept = defaultMounts(input, security).filter(
    // Whoever brings a /dev of their own brings what is in it, too.
    ({ destination }) => !taken.has(destination) && !(taken.has('/dev') && destination.startsWith('/dev/')),
  )
  // A mount hides what was mounted below it, so parents come first.
  return [...kept, ...own.sort((a, b) => depth(a.destination) - depth(b.destination)), ...initMounts(input)]
}

function defaultMounts(input: SpecInput, security: SecurityOptions): MountSpec[] {
  const {
    Privileged: privileged = false,
    ReadonlyRootfs: readOnly = false,
    IpcMode: ipc = '',
    ShmSize: shm = 0,
  } = input.hostConfig
  const sysMode = privileged && !readOnly ? [] : ['ro']
  const cgroupMode = (security.writableCgroups ?? privileged) ? [] : ['ro']
  const shmBytes = shm === 0 ? DEFAULT_SHM_BYTES : shm
  const hasOwnShm = input.shmPath === undefined && ipc !== 'none' && ipc !== 'host' && !ipc.startsWith('container:')
  const mount = (destination: string, type: string, source: string, ...options: string[]): MountSpec => ({
    destination,
    type,
    source,
    options,
  })
  return [
    mount('/proc', 'proc', 'proc', 'nosuid', 'noexec', 'nodev'),
    mount('/dev', 'tmpfs', 'tmpfs', 'nosuid', 'strictatime', 'mode=755', 'size=65536k'),
    mount('/dev/pts', 'devpts', 'devpts', 'nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'),
    mount('/sys', 'sysfs', 'sysfs', 'nosuid', 'noexec', 'nodev', ...sysMode),
    mount('/sys/fs/cgroup', 'cgroup', 'cgroup', ...cgroupMode, 'nosuid', 'noexec', 'nodev'),
    mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid', 'noexec', 'nodev'),
    ...(hasOwnShm
      ? [mount('/dev/shm', 'tmpfs', 'shm', 'nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shmBytes}`)]
      : []),
  ]
}

function userMounts(input: SpecInput): MountSpec[] {
  const { hostConfig } = input
  const binds = (hostConfig.Binds ?? []).map(parseBind).filter((bind) => bind.kind === 'bind')
  return [
    ...binds.map((bind) => bindMount(bind.source, bind.destination, bind.readWrite, bind.propagation || 'rprivate')),
    ...input.volumes.map((volume) => bindMount(volume.source, volume.destination, volume.readWrite, undefined)),
    ...(hostConfig.Mounts ?? []).flatMap(mountOfRequest),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([target, options]) => tmpfsMount(target, options.split(','))),
  ]
}

function bindMount(
  source: string,
  destination: string,
  readWrite: boolean,
  propagation: string | undefined,
): MountSpec {
  const options = ['rbind', ...(readWrite ? [] : ['ro']), ...(propagation === undefined ? [] : [propagation])]
  return { destination, type: 'bind', source, options }
}

/** Volumes and images of `Mounts` come in as volumes, with their directories. */
function mountOfRequest(mount: Mount): MountSpec[] {
  const target = clean(mount.Target ?? '')
  if (mount.Type === 'tmpfs') return [tmpfsMount(target, tmpfsOptions(mount))]
  if (mount.Type !== 'bind') return []
  const made = bindMount(
    mount.Source ?? '',
    target,
    mount.ReadOnly !== true,
    mount.BindOptions?.Propagation || 'rprivate',
  )
  if (mount.BindOptions?.NonRecursive !== true) return [made]
  return [{ ...made, options: ['bind', ...(made.options ?? []).slice(1)] }]
}

function tmpfsMount(target: string, options: readonly string[]): MountSpec {
  const given = options.filter((option) => option !== '')
  // Later options win over the defaults, and the opposites must not stand beside each other.
  const defaults = TMPFS_OPTIONS.filter(
    (option) => !given.includes(option.replace(/^no/, '')) && !given.includes(option),
  )
  return { destination: clean(target), type: 'tmpfs', source: 'tmpfs', options: [...defaults, ...given] }
}

function tmpfsOptions(mount: Mount): string[] {
  const { SizeBytes: size = 0, Mode: mode = 0, Options: more } = mount.TmpfsOptions ?? {}
  return [
    ...(mode === 0 ? [] : [`mode=${mode.toString(8)}`]),
    ...(size === 0 ? [] : [`size=${formatSize(size)}`]),
    ...(mount.ReadOnly === true ? ['ro'] : []),
    ...(more ?? []).map((pair) => pair.join('=')),
  ]
}

/** `64k` for 65536: the largest unit that divides it. */
function formatSize(bytes: number): string {
  for (const [unit, suffix] of [
    [2 ** 30, 'g'],
    [2 ** 20, 'm'],
    [2 ** 10, 'k'],
  ] as const)
    if (bytes % unit === 0) return `${bytes / unit}${suffix}`
  return String(bytes)
}

/** Not over a place where the user has mounted something. */
function fileMounts(input: SpecInput): MountSpec[] {
  const { files, hostConfig } = input
  const taken = new Set(userMounts(input).map((mount) => mount.destination))
  const readWrite = hostConfig.ReadonlyRootfs !== true
  const pairs = [
    ['/etc/resolv.conf', files.resolvConf],
    ['/etc/hostname', files.hostname],
    ['/etc/hosts', files.hosts],
  ] as const
  return pairs.flatMap(([destination, source]) =>
    source === undefined || taken.has(destination) ? [] : [bindMount(source, destination, readWrite, 'rprivate')],
  )
}

function shmMounts(input: SpecInput): MountSpec[] {
  const ipc: HostConfig['IpcMode'] = input.hostConfig.IpcMode ?? ''
  const source = input.shmPath ?? (ipc === 'host' ? '/dev/shm' : undefined)
  const isShared = ipc === 'host' || ipc === 'shareable' || ipc.startsWith('container:')
  if (!isShared) return []
  if (source === undefined) {
    if (ipc === 'shareable') return []
    throw new Failure('internal', `ipc mode ${ipc} without a path of /dev/shm`)
  }
  if (userMounts(input).some((mount) => mount.destination === '/dev/shm')) return []
  return [bindMount(source, '/dev/shm', true, 'rprivate')]
}

function initMounts(input: SpecInput): MountSpec[] {
  if (!hasInit(input) || input.defaults.initPath === undefined) return []
  return [{ destination: INIT_DESTINATION, type: 'bind', source: input.defaults.initPath, options: ['bind', 'ro'] }]
}

function clean(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, '')
}

function depth(path: string): number {
  return path.split('/').length
}
