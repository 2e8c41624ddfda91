// Every command: its options, how many arguments it takes, and its code, loaded when it is called.
import type { Command } from './command.ts'
import type { OptionSpec } from './parse-options.ts'

export interface CommandEntry {
  readonly name: string
  readonly usage: string
  readonly summary: string
  readonly options: readonly OptionSpec[]
  readonly least: number
  readonly most: number
  /** What follows the first argument is another's command line. */
  readonly keepsOrder?: boolean
  /** Status of a failure where it is not 1. */
  readonly failureStatus?: number
  readonly isHidden?: boolean
  load(): Promise<Command>
}

const flag = (name: string, help: string, short?: string): OptionSpec => option('flag', name, help, short)
const text = (name: string, help: string, short?: string): OptionSpec => option('text', name, help, short)
const texts = (name: string, help: string, short?: string): OptionSpec => option('texts', name, help, short)
const integer = (name: string, help: string, short?: string): OptionSpec => option('integer', name, help, short)

function option(kind: OptionSpec['kind'], name: string, help: string, short: string | undefined): OptionSpec {
  return { kind, name, help, ...(short === undefined ? {} : { short }) }
}

export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  flag('debug', 'write debug messages to the log'),
  text('log', 'file for the log (default: standard error)'),
  text('log-format', 'format of the log: text or json (default: "text")'),
  text('log-level', 'least level of the log: debug, warning or error'),
  text('root', 'directory of the containers’ states (default: "/run/berth-runc")'),
  text('criu', 'the criu program, for checkpoint and restore (default: "criu")'),
  flag('systemd-cgroup', 'control groups by systemd; cgroupsPath is then "slice:prefix:name"'),
  text('cgroup-manager', 'who keeps control groups: cgroupfs, systemd or disabled'),
  text('rootless', 'ignore what control groups do not permit: true, false or auto (default: "auto")'),
  flag('help', 'show help', 'h'),
  flag('version', 'print the version', 'v'),
]

const CONSOLE = text('console-socket', 'unix socket that gets the master of the terminal')
const PID_FILE = text('pid-file', 'file to write the process id to')
const PRESERVE = integer('preserve-fds', 'pass N more descriptors on, from 3 or from behind those of LISTEN_FDS')
const PIDFD = text('pidfd-socket', 'unix socket that gets a pidfd of the process')

const BUNDLE = [
  text('bundle', 'directory of the bundle (default: the working directory)', 'b'),
  text('config', 'name of the configuration in the bundle (default: "config.json")', 'f'),
]
const CREATION = [
  ...BUNDLE,
  CONSOLE,
  PIDFD,
  PID_FILE,
  flag('no-pivot', 'move the root instead of pivoting into it, for a root on a ramdisk'),
  flag('no-new-keyring', 'leave the container in the caller’s session keyring'),
  PRESERVE,
  flag('no-subreaper', 'do not adopt orphaned processes'),
]

const ID = '<container-id>'

const CRIU = [
  text('image-path', 'directory of the image files (default: "checkpoint")'),
  text('work-path', 'directory of criu’s logs and working files (default: that of the image files)'),
  flag('tcp-established', 'with open TCP connections'),
  flag('ext-unix-sk', 'with unix sockets that lead outside'),
  flag('shell-job', 'with processes whose session leader or terminal is outside'),
  flag('file-locks', 'with file locks'),
  text('manage-cgroups-mode', 'soft, full, strict or ignore (default: "soft")'),
  texts('empty-ns', 'a namespace that is made, but not filled: network'),
  flag('auto-dedup', 'drop pages from older images that newer ones have'),
  flag('lazy-pages', 'memory follows when it is asked for, by userfaultfd'),
  text('network-lock', 'how connections are held meanwhile: iptables, nftables or skip'),
]

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'checkpoint',
    usage: `[command options] ${ID}`,
    summary: 'write a running container into files, by criu',
    options: [
      ...CRIU,
      text('parent-path', 'images that this one builds on, relative to --image-path'),
      flag('leave-running', 'do not end it'),
      flag('tcp-skip-in-flight', 'without connections that are not accepted yet'),
      flag('link-remap', 'link unlinked files back where that is possible'),
      integer('status-fd', 'descriptor that gets a zero byte as soon as pages can be asked for'),
      text('page-server', 'ADDRESS:PORT of a page server'),
      flag('pre-dump', 'memory only, and let it run on'),
    ],
    least: 1,
    most: 1,
    load: async () => (await import('./checkpoint.ts')).checkpoint,
  },
  {
    name: 'create',
    usage: `[command options] ${ID}`,
    summary: 'create a container',
    options: CREATION,
    least: 1,
    most: 1,
    load: async () => (await import('./create.ts')).create,
  },
  {
    name: 'delete',
    usage: `[command options] ${ID}`,
    summary: 'delete what a stopped container holds',
    options: [
      flag('force', 'kill it first, and be content where there is none', 'f'),
      flag('regex', 'every container whose id matches', 'r'),
    ],
    least: 1,
    most: 1,
    load: async () => (await import('./delete.ts')).deleteCommand,
  },
  {
    name: 'events',
    usage: `[command options] ${ID}`,
    summary: 'statistics every few seconds, and OOM kills as they happen',
    options: [
      option('duration', 'interval', 'time between two statistics (default: 5s)', undefined),
      flag('stats', 'print the statistics once'),
    ],
    least: 1,
    most: 1,
    load: async () => (await import('./events.ts')).events,
  },
  {
    name: 'exec',
    usage: `[command options] ${ID} <command> [command options]  || -p process.json ${ID}`,
    summary: 'run a further process in a container',
    options: [
      CONSOLE,
      PIDFD,
      text('cwd', 'working directory in the container'),
      texts('env', 'set an environment variable', 'e'),
      flag('tty', 'with a terminal', 't'),
      text('user', '<uid>[:<gid>]', 'u'),
      option('integers', 'additional-gids', 'further group ids', 'g'),
      text('process', 'file with the process as JSON', 'p'),
      flag('detach', 'do not wait for its end', 'd'),
      PID_FILE,
      text('process-label', 'SELinux label'),
      text('apparmor', 'AppArmor profile'),
      flag('no-new-privs', 'it gains no privileges by execve'),
      texts('cap', 'add a capability', 'c'),
      PRESERVE,
      texts('cgroup', 'run in an existing sub-cgroup: [<controller>[,<controller>]:]<path>'),
      flag('ignore-paused', 'also in a paused container'),
    ],
    least: 1,
    most: Number.POSITIVE_INFINITY,
    keepsOrder: true,
    failureStatus: 255,
    load: async () => (await import('./exec.ts')).exec,
  },
  {
    name: 'features',
    usage: '',
    summary: 'what this runtime can do, as JSON',
    options: [],
    least: 0,
    most: 0,
    load: async () => (await import('./features.ts')).features,
  },
  {
    name: 'kill',
    usage: `[command options] ${ID} [signal]`,
    summary: 'send a signal (default: SIGTERM) to the first process',
    options: [
      flag('all', 'to all processes of the container', 'a'),
      flag('regex', 'to every container whose id matches', 'r'),
    ],
    least: 1,
    most: 2,
    load: async () => (await import('./kill.ts')).kill,
  },
  {
    name: 'list',
    usage: '[command options]',
    summary: 'list the containers below the root',
    options: [text('format', 'table or json (default: "table")', 'f'), flag('quiet', 'ids only', 'q')],
    least: 0,
    most: 0,
    load: async () => (await import('./list.ts')).list,
  },
  {
    name: 'pause',
    usage: ID,
    summary: 'suspend all processes of a container',
    options: [],
    least: 1,
    most: 1,
    load: async () => (await import('./pause.ts')).pause,
  },
  {
    name: 'plan',
    usage: '[command options] [<bundle>]',
    summary: 'print the steps by which a bundle would be started',
    options: BUNDLE,
    least: 0,
    most: 1,
    load: async () => (await import('./plan.ts')).plan,
  },
  {
    name: 'ps',
    usage: `[command options] ${ID} [ps options]`,
    summary: 'the processes of a container',
    options: [text('format', 'table or json (default: "table")', 'f')],
    least: 1,
    most: Number.POSITIVE_INFINITY,
    keepsOrder: true,
    load: async () => (await import('./ps.ts')).ps,
  },
  {
    name: 'restore',
    usage: `[command options] ${ID}`,
    summary: 'start a container from the files of a checkpoint, by criu',
    options: [
      ...CRIU,
      ...BUNDLE,
      CONSOLE,
      PID_FILE,
      flag('detach', 'do not wait for its end', 'd'),
      flag('no-subreaper', 'do not adopt orphaned processes'),
      flag('no-pivot', 'move the root instead of pivoting into it; criu decides by itself'),
      flag('tcp-close', 'close TCP connections that were open'),
      text('lsm-profile', 'TYPE:NAME of the security profile to run with'),
      text('lsm-mount-context', 'SELinux context of its mounts'),
    ],
    least: 1,
    most: 1,
    load: async () => (await import('./restore.ts')).restore,
  },
  {
    name: 'resume',
    usage: ID,
    summary: 'resume all processes of a paused container',
    options: [],
    least: 1,
    most: 1,
    load: async () => (await import('./pause.ts')).resume,
  },
  {
    name: 'run',
    usage: `[command options] ${ID}`,
    summary: 'create and start a container',
    options: [
      ...CREATION,
      flag('detach', 'do not wait for its end', 'd'),
      flag('keep', 'do not delete the container when it has ended'),
    ],
    least: 1,
    most: 1,
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'spec',
    usage: '[command options]',
    summary: 'write a configuration to start from',
    options: [
      text('bundle', 'directory of the bundle', 'b'),
      text('file', 'name of the file (default: "config.json")', 'f'),
      flag('rootless', 'for an ordinary user'),
    ],
    least: 0,
    most: 0,
    load: async () => (await import('./spec.ts')).spec,
  },
  {
    name: 'start',
    usage: ID,
    summary: 'let the process of a created container proceed',
    options: [],
    least: 1,
    most: 1,
    load: async () => (await import('./start.ts')).start,
  },
  {
    name: 'state',
    usage: ID,
    summary: 'print the state of a container as JSON',
    options: [],
    least: 1,
    most: 1,
    load: async () => (await import('./state.ts')).state,
  },
  {
    name: 'update',
    usage: `[command options] ${ID}`,
    summary: 'change the limits of a container',
    options: [
      text('resources', 'file with linux.resources as JSON, - for standard input; other options are ignored then', 'r'),
      integer('blkio-weight', 'weight of block I/O, 10 to 1000'),
      text('cpu-period', 'CPU period in microseconds'),
      text('cpu-quota', 'CPU time in a period, in microseconds'),
      text('cpu-burst', 'CPU time that may be saved up, in microseconds'),
      text('cpu-share', 'relative weight of CPU time'),
      text('cpu-rt-period', 'realtime period in microseconds'),
      text('cpu-rt-runtime', 'realtime CPU time in a period, in microseconds'),
      text('cpuset-cpus', 'processors to use'),
      text('cpuset-mems', 'memory nodes to use'),
      { ...text('kernel-memory', 'without effect'), isHidden: true },
      { ...text('kernel-memory-tcp', 'without effect'), isHidden: true },
      text('memory', 'memory in bytes'),
      text('memory-reservation', 'soft limit of memory in bytes'),
      text('memory-swap', 'memory and swap in bytes; -1: unlimited'),
      integer('pids-limit', 'number of processes'),
      text('l3-cache-schema', 'resctrl schema of the L3 cache'),
      text('mem-bw-schema', 'resctrl schema of memory bandwidth'),
      text('cpu-idle', '1: only what nobody else wants'),
    ],
    least: 1,
    most: 1,
    load: async () => (await import('./update.ts')).update,
  },
]
