// The flags of `create` and `run`, and the request they mean.
import { readFileSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import type { Flag, FlagValues } from './flags.ts'
import { parsePublish } from './parse-publish.ts'
import { parseBytes, parseKeyValues, parseMemory, parseUlimit } from './parse-values.ts'

const text = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({ name, kind: 'string', usage, ...more })
const list = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({ name, kind: 'list', usage, ...more })
const yes = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({ name, kind: 'boolean', usage, ...more })
const int = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({ name, kind: 'int', usage, ...more })

export const CONTAINER_FLAGS: readonly Flag[] = [
  list('add-host', 'Add a custom host-to-IP mapping (host:ip)'),
  list('annotation', 'Add an annotation to the container (passed through to the OCI runtime)', { type: 'map' }),
  list('attach', 'Attach to STDIN, STDOUT or STDERR', { short: 'a' }),
  int('blkio-weight', 'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)', {
    type: 'uint16',
  }),
  list('cap-add', 'Add Linux capabilities'),
  list('cap-drop', 'Drop Linux capabilities'),
  text('cgroup-parent', 'Optional parent cgroup for the container'),
  text('cgroupns', 'Cgroup namespace to use (host|private)'),
  text('cidfile', 'Write the container ID to the file'),
  int('cpu-period', 'Limit CPU CFS (Completely Fair Scheduler) period'),
  int('cpu-quota', 'Limit CPU CFS (Completely Fair Scheduler) quota'),
  int('cpu-shares', 'CPU shares (relative weight)', { short: 'c' }),
  { name: 'cpus', kind: 'float', type: 'decimal', usage: 'Number of CPUs' },
  text('cpuset-cpus', 'CPUs in which to allow execution (0-3, 0,1)'),
  text('cpuset-mems', 'MEMs in which to allow execution (0-3, 0,1)'),
  list('device', 'Add a host device to the container'),
  list('device-cgroup-rule', 'Add a rule to the cgroup allowed devices list'),
  list('dns', 'Set custom DNS servers'),
  list('dns-option', 'Set DNS options'),
  list('dns-search', 'Set custom DNS search domains'),
  text('domainname', 'Container NIS domain name'),
  text('entrypoint', 'Overwrite the default ENTRYPOINT of the image'),
  list('env', 'Set environment variables', { short: 'e' }),
  list('env-file', 'Read in a file of environment variables'),
  list('expose', 'Expose a port or a range of ports'),
  list('group-add', 'Add additional groups to join'),
  text('hostname', 'Container host name', { short: 'h' }),
  yes('init', 'Run an init inside the container that forwards signals and reaps processes'),
  yes('interactive', 'Keep STDIN open even if not attached', { short: 'i' }),
  text('ipc', 'IPC mode to use'),
  list('label', 'Set meta data on a container', { short: 'l' }),
  list('label-file', 'Read in a line delimited file of labels'),
  text('log-driver', 'Logging driver for the container'),
  list('log-opt', 'Log driver options'),
  text('mac-address', 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
  text('memory', 'Memory limit', { short: 'm', type: 'bytes' }),
  text('memory-reservation', 'Memory soft limit', { type: 'bytes' }),
  text('memory-swap', "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", { type: 'bytes' }),
  int('memory-swappiness', 'Tune container memory swappiness (0 to 100)', { default: '-1' }),
  text('name', 'Assign a name to the container'),
  text('network', 'Connect a container to a network', { type: 'network' }),
  text('net', 'Connect a container to a network', { hidden: true, aliasOf: 'network' }),
  yes('no-healthcheck', 'Disable any container-specified HEALTHCHECK'),
  yes('oom-kill-disable', 'Disable OOM Killer'),
  int('oom-score-adj', "Tune host's OOM preferences (-1000 to 1000)"),
  text('pid', 'PID namespace to use'),
  int('pids-limit', 'Tune container pids limit (set -1 for unlimited)'),
  text('platform', 'Set platform if server is multi-platform capable'),
  yes('privileged', 'Give extended privileges to this container'),
  list('publish', "Publish a container's port(s) to the host", { short: 'p' }),
  yes('publish-all', 'Publish all exposed ports to random ports', { short: 'P' }),
  text('pull', 'Pull image before creating ("always", "missing", "never")', { default: '"missing"' }),
  yes('quiet', 'Suppress the pull output', { short: 'q' }),
  yes('read-only', "Mount the container's root filesystem as read only"),
  text('restart', 'Restart policy to apply when a container exits', { default: '"no"' }),
  yes('rm', 'Automatically remove the container and its associated anonymous volumes when it exits'),
  text('runtime', 'Runtime to use for this container'),
  list('security-opt', 'Security Options'),
  text('shm-size', 'Size of /dev/shm', { type: 'bytes' }),
  text('stop-signal', 'Signal to stop the container'),
  int('stop-timeout', 'Timeout (in seconds) to stop a container'),
  list('sysctl', 'Sysctl options', { type: 'map' }),
  list('tmpfs', 'Mount a tmpfs directory'),
  yes('tty', 'Allocate a pseudo-TTY', { short: 't' }),
  list('ulimit', 'Ulimit options', { type: 'ulimit' }),
  text('user', 'Username or UID (format: <name|uid>[:<group|gid>])', { short: 'u' }),
  text('userns', 'User namespace to use'),
  text('uts', 'UTS namespace to use'),
  list('volume', 'Bind mount a volume', { short: 'v' }),
  list('volumes-from', 'Mount volumes from the specified container(s)'),
  text('workdir', 'Working directory inside the container', { short: 'w' }),
]

/** The body of POST /containers/create. */
export interface CreateBody {
  Image: string
  Cmd: string[] | undefined
  Tty: boolean
  OpenStdin: boolean
  StdinOnce: boolean
  AttachStdin: boolean
  AttachStdout: boolean
  AttachStderr: boolean
  HostConfig: Record<string, unknown>
  [key: string]: unknown
}

/** @param isDetached `run -d`: nothing is attached. Throws in Docker's words. */
export function buildCreateBody(
  flags: FlagValues,
  image: string,
  command: string[],
  env: NodeJS.ProcessEnv,
  isDetached: boolean,
): CreateBody {
  const attached = new Set(flags.list('attach').map((name) => name.toLowerCase()))
  const interactive = flags.boolean('interactive') ?? false
  const attaches = (name: string) =>
    !isDetached && (attached.size === 0 ? name !== 'stdin' || interactive : attached.has(name))
  const ports = parsePublish(flags.list('publish'), flags.list('expose'))
  const entrypoint = flags.text('entrypoint')
  return defined({
    Image: image,
    Cmd: command.length > 0 ? command : undefined,
    Entrypoint: entrypoint === undefined ? undefined : entrypoint === '' ? [''] : [entrypoint],
    Hostname: flags.text('hostname'),
    Domainname: flags.text('domainname'),
    User: flags.text('user'),
    WorkingDir: flags.text('workdir'),
    Env: readEnvironment(flags, env),
    Labels: parseKeyValues([...flags.list('label-file').flatMap(readLines), ...flags.list('label')]),
    ExposedPorts: ports.exposed,
    Tty: flags.boolean('tty') ?? false,
    OpenStdin: interactive,
    StdinOnce: interactive && attaches('stdin'),
    AttachStdin: attaches('stdin') && interactive,
    AttachStdout: attaches('stdout'),
    AttachStderr: attaches('stderr'),
    MacAddress: flags.text('mac-address'),
    StopSignal: flags.text('stop-signal'),
    StopTimeout: flags.number('stop-timeout'),
    Healthcheck: flags.boolean('no-healthcheck') ? { Test: ['NONE'] } : undefined,
    HostConfig: buildHostConfig(flags, ports.bindings),
  }) as CreateBody
}

function buildHostConfig(flags: FlagValues, portBindings: object): Record<string, unknown> {
  const memory = flags.text('memory')
  const reservation = flags.text('memory-reservation')
  const shm = flags.text('shm-size')
  return defined({
    AutoRemove: flags.boolean('rm'),
    Binds: none(flags.list('volume').filter((volume) => volume.includes(':'))),
    VolumesFrom: none(flags.list('volumes-from')),
    NetworkMode: flags.text('network') ?? 'default',
    PortBindings: portBindings,
    PublishAllPorts: flags.boolean('publish-all'),
    RestartPolicy: parseRestart(flags.text('restart')),
    CapAdd: none(flags.list('cap-add')),
    CapDrop: none(flags.list('cap-drop')),
    CgroupParent: flags.text('cgroup-parent'),
    CgroupnsMode: flags.text('cgroupns'),
    Dns: none(flags.list('dns')),
    DnsOptions: none(flags.list('dns-option')),
    DnsSearch: none(flags.list('dns-search')),
    ExtraHosts: none(flags.list('add-host').map((entry) => entry.replace(/^([^:=]+)=/, '$1:'))),
    GroupAdd: none(flags.list('group-add')),
    Init: flags.boolean('init'),
    IpcMode: flags.text('ipc'),
    PidMode: flags.text('pid'),
    UTSMode: flags.text('uts'),
    UsernsMode: flags.text('userns'),
    Privileged: flags.boolean('privileged'),
    ReadonlyRootfs: flags.boolean('read-only'),
    SecurityOpt: none(flags.list('security-opt').map(readSecurityOption)),
    Annotations: parseKeyValues(flags.list('annotation')),
    Sysctls: parseKeyValues(flags.list('sysctl')),
    Tmpfs: parseTmpfs(flags.list('tmpfs')),
    Ulimits: none(flags.list('ulimit').map(parseUlimit)),
    Runtime: flags.text('runtime'),
    ShmSize: shm === undefined ? undefined : parseBytes(shm),
    LogConfig: defined({ Type: flags.text('log-driver'), Config: parseKeyValues(flags.list('log-opt')) }),
    BlkioWeight: flags.number('blkio-weight'),
    CpuPeriod: flags.number('cpu-period'),
    CpuQuota: flags.number('cpu-quota'),
    CpuShares: flags.number('cpu-shares'),
    CpusetCpus: flags.text('cpuset-cpus'),
    CpusetMems: flags.text('cpuset-mems'),
    NanoCpus: flags.has('cpus') ? Math.round((flags.number('cpus') ?? 0) * 1e9) : undefined,
    Devices: none(flags.list('device').map(parseDevice)),
    DeviceCgroupRules: none(flags.list('device-cgroup-rule')),
    Memory: memory === undefined ? undefined : parseBytes(memory),
    MemoryReservation: reservation === undefined ? undefined : parseBytes(reservation),
    MemorySwap: flags.has('memory-swap') ? parseMemory(flags.text('memory-swap') ?? '') : undefined,
    MemorySwappiness: flags.number('memory-swappiness'),
    OomKillDisable: flags.boolean('oom-kill-disable'),
    OomScoreAdj: flags.number('oom-score-adj'),
    PidsLimit: flags.number('pids-limit'),
  })
}

/** `NAME` alone takes the value from the client's environment; files come first. */
function readEnvironment(flags: FlagValues, env: NodeJS.ProcessEnv): string[] | undefined {
  const lines = flags.list('env-file').flatMap((file) => readLines(file))
  return none(
    [...lines, ...flags.list('env')].flatMap((entry) => {
      if (entry.includes('=')) return [entry]
      const value = env[entry]
      return value === undefined ? [] : [`${entry}=${value}`]
    }),
  )
}

function readLines(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/\r$/, '').trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** A seccomp profile is a file here and its content on the wire. */
function readSecurityOption(option: string): string {
  const match = /^seccomp[=:](?!unconfined$|builtin$)(.+)$/.exec(option)
  return match === null ? option : `seccomp=${JSON.stringify(JSON.parse(readFileSync(match[1] ?? '', 'utf8')))}`
}

function parseRestart(policy: string | undefined): object {
  const [name = 'no', count] = (policy ?? 'no').split(':')
  if (count !== undefined && !/^\d+$/.test(count))
    throw new Failure('invalid-argument', 'invalid restart policy format: maximum retry count must be an integer')
  return { Name: name, MaximumRetryCount: count === undefined ? 0 : Number(count) }
}

function parseTmpfs(entries: readonly string[]): Record<string, string> | undefined {
  if (entries.length === 0) return undefined
  return Object.fromEntries(
    entries.map((entry) => {
      const colon = entry.indexOf(':')
      return colon < 0 ? [entry, ''] : [entry.slice(0, colon), entry.slice(colon + 1)]
    }),
  )
}

function parseDevice(device: string): object {
  const [host = '', second, third] = device.split(':')
  const isMode = (part: string | undefined) => part !== undefined && /^[rwm]{1,3}$/.test(part)
  const inside = second === undefined || (third === undefined && isMode(second)) ? host : second
  return { PathOnHost: host, PathInContainer: inside, CgroupPermissions: third ?? (isMode(second) ? second : 'rwm') }
}

function none<T>(items: T[]): T[] | undefined {
  return items.length === 0 ? undefined : items
}

function defined(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined))
}
