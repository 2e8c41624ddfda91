// The mounts of a runtime spec: Docker's own, then the user's from the root downwards.
import { posix } from 'node:path'
import type { HostConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import type { MountSpec } from '../../../oci/runtime-spec.ts'
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
    ...mqueueMounts(input),
    ...(hasOwnShm
      ? [mount('/dev/shm', 'tmpfs', 'shm', 'nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shmBytes}`)]
      : []),
  ]
}

/** Only the host's root can mount that of the host's ipc namespace: a user namespace gets what the host has mounted. */
function mqueueMounts({ users, hostConfig, host }: SpecInput): MountSpec[] {
  const own = { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] }
  if (users === undefined || hostConfig.IpcMode !== 'host') return [own]
  return host.hasMqueue ? [bindMount('/dev/mqueue', '/dev/mqueue', true)] : []
}

function userMounts(input: SpecInput): MountSpec[] {
  const { hostConfig } = input
  return [
    ...input.mounts.map((mount) =>
      mount.kind === 'tmpfs'
        ? tmpfsMount(mount.destination, mount.options)
        : { destination: mount.destination, type: 'bind', source: mount.source, options: [...mount.options] },
    ),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([target, options]) =>
      tmpfsMount(target, checkTmpfsOptions(options.split(','))),
    ),
  ]
}

function bindMount(source: string, destination: string, readWrite: boolean): MountSpec {
  const options = ['rbind', ...(readWrite ? [] : ['ro']), 'rprivate']
  return { destination, type: 'bind', source, options }
}

const TMPFS_FLAGS = new Set(
  'defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime strictatime nostrictatime'.split(
    ' ',
  ),
)
const TMPFS_SETTINGS = new Set(['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol'])

/** Docker's list, which is not the kernel's. Throws `unknown`: it is told at the start only. */
function checkTmpfsOptions(options: readonly string[]): readonly string[] {
  for (const option of options.filter((each) => each !== '' && !TMPFS_FLAGS.has(each))) {
    const [name = '', value] = splitOnce(option)
    if (value !== undefined && TMPFS_SETTINGS.has(name)) continue
    const words = value === undefined ? [name] : [name, value]
    throw new Failure('unknown', `invalid tmpfs option [${words.map((word) => JSON.stringify(word)).join(' ')}]`)
  }
  return options
}

function splitOnce(option: string): [string, string?] {
  const at = option.indexOf('=')
  return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]
}

function tmpfsMount(target: string, options: readonly string[]): MountSpec {
  const given = options.filter((option) => option !== '')
  // Later options win over the defaults, and the opposites must not stand beside each other.
  const defaults = TMPFS_OPTIONS.filter(
    (option) => !given.includes(option.replace(/^no/, '')) && !given.includes(option),
  )
  return { destination: clean(target), type: 'tmpfs', source: 'tmpfs', options: [...defaults, ...given] }
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
    source === undefined || taken.has(destination) ? [] : [bindMount(source, destination, readWrite)],
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
  return [bindMount(source, '/dev/shm', true)]
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
