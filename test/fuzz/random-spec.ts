// Specs out of bytes, for fuzzing: every decision is taken from the input, so that the same bytes make the same spec, and a changed byte a
// slightly other one. Most of what comes out is nearly right, which is where planning has something to do.

/** Each list: what is right, and behind the bar what may or may not be. */
const PATHS = ['/a', '/a/b', '/srv/x', '/run/ns', '/opt'] as const
const ODD_PATHS = [
  '/',
  '/proc',
  '/proc/sys',
  '/sys',
  '/tmp/../proc',
  '/../..',
  '..',
  'relative',
  '',
  '/a\0b',
  '/bundle/rootfs',
  '/bundle/rootfs/../x',
  '//x//',
  '/proc/1/root/x',
  '/proc/self/fd/7',
  '/a/./b/',
  'constructor',
  '__proto__',
  '/dev',
  '/dev/..',
  '/..',
] // prettier-ignore
const DESTINATIONS = [
  '/a',
  '/a/b',
  '/dev',
  '/dev/pts',
  '/sys',
  '/tmp',
  '/proc',
  '/bundle/rootfs/inside',
  '/a//c/',
] as const
const OPTIONS = [
  'ro',
  'rw',
  'nosuid',
  'rro',
  'rnoexec',
  'noatime',
  'strictatime',
  'rprivate',
  'shared',
  'rslave',
  'runbindable',
  'sync',
  'mand',
] as const
const ODD_OPTIONS = [
  'bind',
  'idmap',
  'ridmap',
  'remount',
  'tmpcopyup',
  'size=1m',
  'mode=755,ro',
  'context="a,b"',
  'x',
  '',
  ',,',
  '=',
]
const TYPES = ['proc', 'sysfs', 'tmpfs', 'devpts', 'mqueue', 'cgroup'] as const
const ODD_TYPES = ['bind', 'cgroup2', 'overlay', 'ext4', '', 'none']
const NAMESPACES = ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time']
const SMALL = [0, 1, 2, 5] as const
const NUMBERS = [1000, 65535, 65536, 100_000, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 53, 2 ** 63, 2 ** 64, -1, -5, 1.5]
const CAPABILITIES = ['CAP_KILL', 'CAP_SYS_ADMIN', 'CAP_NET_RAW', 'CAP_OF_THE_FUTURE', 'kill']
const PROPAGATIONS = [
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
  'unbindable',
  'runbindable',
] as const
const SYSCTLS = ['net.ipv4.ip_forward', 'net/ipv4/conf/eth0.1/x'] as const
const ODD_SYSCTLS = ['kernel.shmmax', 'kernel.domainname', 'user.max_user_namespaces', 'vm.x', 'net/../x', 'a.']
const ACTIONS = ['SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO', 'SCMP_ACT_KILL'] as const
const SETS = ['0', '0-3,7', ' 1 , 2 '] as const
const ODD_SETS = ['3-1', 'x', '0-99999', '']

/** Decisions from bytes; zeros when they are used up. */
class Decisions {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  chance(ofSixteen: number): boolean {
    return this.byte() % 16 < ofSixteen
  }

  pick<T>(from: readonly T[]): T {
    return from[this.byte() % from.length] as T
  }

  /** Right fifteen times of sixteen. */
  mostly<T>(right: readonly T[], odd: readonly T[]): T {
    return this.chance(15) ? this.pick(right) : this.pick(odd)
  }

  list<T>(most: number, item: () => T): T[] {
    return Array.from({ length: this.byte() % (most + 1) }, item)
  }

  /** Left out mostly. */
  maybe<T>(name: string, item: () => T, ofSixteen = 4): Record<string, T> {
    return this.chance(ofSixteen) ? { [name]: item() } : {}
  }
}

export interface RandomSpec {
  spec: object
  launch: {
    rootless: boolean
    noPivot: boolean
    noNewKeyring: boolean
    preservedDescriptors: number
    consoleSocket?: string
  }
}

export function randomSpec(bytes: Uint8Array): RandomSpec {
  const from = new Decisions(bytes)
  const path = () => from.mostly<string>(PATHS, ODD_PATHS)
  const number = () => from.mostly<number>(SMALL, NUMBERS)
  const mapping = () => ({
    containerID: 0,
    hostID: from.mostly([100_000], NUMBERS),
    size: from.mostly([65_536], NUMBERS),
  })
  const mappings = () => (from.chance(15) ? [mapping()] : [mapping(), mapping()])
  const hook = () => ({ path: path(), ...from.maybe('timeout', number), ...from.maybe('env', () => ['A=b']) })
  const bound = () => ({
    source: path(),
    options: [from.pick(['bind', 'rbind']), ...from.list(4, () => from.mostly<string>(OPTIONS, ODD_OPTIONS))],
    ...(from.chance(2) ? { uidMappings: mappings(), gidMappings: mappings() } : {}),
  })
  const made = () => ({
    type: from.mostly<string>(TYPES, ODD_TYPES),
    options: from.list(4, () => from.mostly<string>(OPTIONS, ODD_OPTIONS)),
  })
  const mount = () => ({
    destination: from.mostly<string>(DESTINATIONS, ODD_PATHS),
    ...(from.chance(8) ? bound() : made()),
  })
  const namespaces = NAMESPACES.filter((type) => from.chance(type === 'mount' ? 15 : 10)).map((type) => ({
    type,
    ...from.maybe('path', path, 2),
  }))
  const has = (type: string) => namespaces.some((namespace) => namespace.type === type)
  const sixteenthsIf = (type: string, sixteenths: number) => (has(type) ? sixteenths : 0)
  const rule = () => ({
    names: [from.pick(['read', 'mknod', 'x'])],
    action: from.mostly<string>(ACTIONS, ['SCMP_ACT_NOTIFY', 'x']),
  })
  const spec = {
    ociVersion: '1.2.0',
    process: {
      cwd: path(),
      args: from.chance(15) ? ['sh', path()] : from.list(2, path),
      env: ['PATH=/bin:/usr/bin', ...from.list(2, () => from.mostly(['A=b', 'HOME='], ['=', 'x', 'P=\0']))],
      user: { uid: number(), gid: number(), ...from.maybe('additionalGids', () => from.list(3, number)) },
      ...from.maybe('terminal', () => true),
      ...from.maybe('capabilities', () => ({ bounding: from.list(3, () => from.pick(CAPABILITIES)) }), 8),
      ...from.maybe('rlimits', () => [{ type: from.mostly(['RLIMIT_CORE'], ['x']), soft: number(), hard: 5 }]),
      ...from.maybe('noNewPrivileges', () => true, 8),
      ...from.maybe('oomScoreAdj', number),
      ...from.maybe('scheduler', () => ({ policy: from.mostly(['SCHED_OTHER'], ['SCHED_FIFO', 'x']), nice: number() })),
      ...from.maybe('ioPriority', () => ({ class: from.mostly(['IOPRIO_CLASS_BE'], ['x']), priority: number() })),
      ...from.maybe('execCPUAffinity', () => ({ initial: from.mostly<string>(SETS, ODD_SETS), final: '' })),
    },
    root: { path: 'rootfs', ...from.maybe('readonly', () => true, sixteenthsIf('mount', 8)) },
    ...from.maybe('hostname', path, sixteenthsIf('uts', 8)),
    mounts: from.list(6, mount),
    ...from.maybe('hooks', () => ({
      prestart: from.list(1, hook),
      createContainer: from.list(2, hook),
      startContainer: from.list(2, hook),
    })),
    linux: {
      namespaces,
      ...(has('user') !== from.chance(1) ? { uidMappings: mappings(), gidMappings: mappings() } : {}),
      ...from.maybe(
        'timeOffsets',
        () => ({ [from.mostly(['monotonic', 'boottime'], ['x'])]: { secs: number() } }),
        sixteenthsIf('time', 8),
      ),
      ...from.maybe('devices', () =>
        from.list(3, () => ({ type: from.pick(['c', 'b', 'p']), path: path(), major: number(), minor: number() })),
      ),
      ...from.maybe(
        'rootfsPropagation',
        () => from.mostly<string>(PROPAGATIONS, ['odd', 'rr']),
        sixteenthsIf('mount', 6),
      ),
      ...from.maybe('maskedPaths', () => from.list(3, path), sixteenthsIf('mount', 8)),
      ...from.maybe('readonlyPaths', () => from.list(3, path), sixteenthsIf('mount', 8)),
      ...from.maybe(
        'sysctl',
        () => ({ [from.mostly<string>(SYSCTLS, ODD_SYSCTLS)]: path() }),
        sixteenthsIf('network', 8),
      ),
      ...from.maybe(
        'netDevices',
        () => ({ eth0: { name: from.mostly(['eth1'], ODD_PATHS) } }),
        sixteenthsIf('network', 3),
      ),
      ...from.maybe('personality', () => ({ domain: from.mostly(['LINUX', 'LINUX32'], ['x']) })),
      ...from.maybe('memoryPolicy', () => ({ mode: 'MPOL_BIND', nodes: from.mostly<string>(SETS, ODD_SETS) })),
      ...from.maybe('seccomp', () => ({
        defaultAction: from.mostly<string>(ACTIONS, ['SCMP_ACT_NOTIFY']),
        ...from.maybe('listenerPath', path),
        syscalls: from.list(2, rule),
      })),
    },
  }
  const launch = {
    rootless: has('user') && from.chance(4),
    noPivot: from.chance(3),
    noNewKeyring: from.chance(3),
    preservedDescriptors: from.byte() % 3,
    ...from.maybe('consoleSocket', () => '/run/console.sock'),
  }
  return { spec, launch }
}
