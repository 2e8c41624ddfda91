// The flags of `create` and `run`.
import type { Flag } from '../flags.ts'
import * as check from './checks.ts'
import { parseGpus } from './devices.ts'
import { parseMount } from './mounts.ts'
import { parseNetwork } from './networks.ts'
import { parseBytes, parseCpus, parseDuration, parseMemory, parseUlimit } from './values.ts'

type More = Partial<Flag>
const text = (name: string, usage: string, more: More = {}): Flag => ({ name, kind: 'string', usage, ...more })
const list = (name: string, usage: string, more: More = {}): Flag => ({ name, kind: 'list', usage, ...more })
const yes = (name: string, usage: string, more: More = {}): Flag => ({ name, kind: 'boolean', usage, ...more })
const int = (name: string, usage: string, more: More = {}): Flag => ({ name, kind: 'int', usage, ...more })
const bytes = (name: string, usage: string, more: More = {}): Flag =>
  text(name, usage, { type: 'bytes', check: parseBytes, ...more })
const duration = (name: string, usage: string, more: More = {}): Flag =>
  text(name, `${usage} (ms|s|m|h) (default 0s)`, { type: 'duration', check: parseDuration, ...more })
const device = (name: string, usage: string, parse: (value: string) => unknown): Flag =>
  list(name, usage, { check: parse, default: '[]' })

const NETWORK: More = { type: 'network', check: parseNetwork }

export const CONTAINER_FLAGS: readonly Flag[] = [
  list('add-host', 'Add a custom host-to-IP mapping (host:ip)', { check: check.checkExtraHost }),
  list('annotation', 'Add an annotation to the container (passed through to the OCI runtime)', {
    type: 'map',
    default: 'map[]',
    since: '1.43',
  }),
  list('attach', 'Attach to STDIN, STDOUT or STDERR', { short: 'a', check: check.checkAttach }),
  {
    name: 'blkio-weight',
    kind: 'uint',
    type: 'uint16',
    bits: 16,
    usage: 'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
  },
  device('blkio-weight-device', 'Block IO weight (relative device weight)', check.parseWeightDevice),
  list('cap-add', 'Add Linux capabilities'),
  list('cap-drop', 'Drop Linux capabilities'),
  text('cgroup-parent', 'Optional parent cgroup for the container'),
  text(
    'cgroupns',
    "Cgroup namespace to use (host|private)\n'host':    Run the container in the Docker host's cgroup namespace\n'private': Run the container in its own private cgroup namespace\n'':        Use the cgroup namespace as configured by the\n           default-cgroupns-mode option on the daemon (default)",
    { since: '1.41' },
  ),
  text('cidfile', 'Write the container ID to the file'),
  int('cpu-count', 'CPU count (Windows only)', { isForWindows: true }),
  int('cpu-percent', 'CPU percent (Windows only)', { isForWindows: true }),
  int('cpu-period', 'Limit CPU CFS (Completely Fair Scheduler) period'),
  int('cpu-quota', 'Limit CPU CFS (Completely Fair Scheduler) quota'),
  int('cpu-rt-period', 'Limit CPU real-time period in microseconds', { since: '1.25' }),
  int('cpu-rt-runtime', 'Limit CPU real-time runtime in microseconds', { since: '1.25' }),
  int('cpu-shares', 'CPU shares (relative weight)', { short: 'c' }),
  text('cpus', 'Number of CPUs', { type: 'decimal', check: parseCpus, since: '1.25' }),
  text('cpuset-cpus', 'CPUs in which to allow execution (0-3, 0,1)'),
  text('cpuset-mems', 'MEMs in which to allow execution (0-3, 0,1)'),
  list('device', 'Add a host device to the container'),
  list('device-cgroup-rule', 'Add a rule to the cgroup allowed devices list', { check: check.checkCgroupRule }),
  device('device-read-bps', 'Limit read rate (bytes per second) from a device', check.parseBpsDevice),
  device('device-read-iops', 'Limit read rate (IO per second) from a device', check.parseIopsDevice),
  device('device-write-bps', 'Limit write rate (bytes per second) to a device', check.parseBpsDevice),
  device('device-write-iops', 'Limit write rate (IO per second) to a device', check.parseIopsDevice),
  yes('disable-content-trust', 'Skip image verification', { default: 'true' }),
  list('dns', 'Set custom DNS servers', { check: check.checkDns }),
  list('dns-opt', 'Set DNS options', { hidden: true, aliasOf: 'dns-option' }),
  list('dns-option', 'Set DNS options'),
  list('dns-search', 'Set custom DNS search domains', { check: check.checkDnsSearch }),
  text('domainname', 'Container NIS domain name'),
  text('entrypoint', 'Overwrite the default ENTRYPOINT of the image'),
  list('env', 'Set environment variables', { short: 'e', check: check.checkEnv }),
  list('env-file', 'Read in a file of environment variables'),
  list('expose', 'Expose a port or a range of ports'),
  list('gpus', "GPU devices to add to the container ('all' to pass all GPUs)", {
    type: 'gpu-request',
    since: '1.40',
    check: parseGpus,
  }),
  list('group-add', 'Add additional groups to join'),
  text('health-cmd', 'Command to run to check health'),
  duration('health-interval', 'Time between running the check'),
  int('health-retries', 'Consecutive failures needed to report unhealthy'),
  duration('health-start-interval', 'Time between running the check during the start period', { since: '1.44' }),
  duration(
    'health-start-period',
    'Start period for the container to initialize before starting health-retries countdown',
    { since: '1.29' },
  ),
  duration('health-timeout', 'Maximum time to allow one check to run'),
  yes('help', 'Print usage'),
  text('hostname', 'Container host name', { short: 'h' }),
  yes('init', 'Run an init inside the container that forwards signals and reaps processes', { since: '1.25' }),
  yes('interactive', 'Keep STDIN open even if not attached', { short: 'i' }),
  bytes('io-maxbandwidth', 'Maximum IO bandwidth limit for the system drive (Windows only)', { isForWindows: true }),
  {
    ...{ name: 'io-maxiops', kind: 'uint', isForWindows: true },
    usage: 'Maximum IOps limit for the system drive (Windows only)',
  },
  text('ip', 'IPv4 address (e.g., 172.30.100.104)'),
  text('ip6', 'IPv6 address (e.g., 2001:db8::33)'),
  text('ipc', 'IPC mode to use'),
  text('isolation', 'Container isolation technology'),
  bytes('kernel-memory', 'Kernel memory limit'),
  list('label', 'Set meta data on a container', { short: 'l', check: check.checkLabel }),
  list('label-file', 'Read in a line delimited file of labels'),
  list('link', 'Add link to another container', { check: check.checkLink }),
  list('link-local-ip', 'Container IPv4/IPv6 link-local addresses'),
  text('log-driver', 'Logging driver for the container'),
  list('log-opt', 'Log driver options'),
  text('mac-address', 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
  bytes('memory', 'Memory limit', { short: 'm' }),
  bytes('memory-reservation', 'Memory soft limit'),
  bytes('memory-swap', "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", { check: parseMemory }),
  int('memory-swappiness', 'Tune container memory swappiness (0 to 100)', { default: '-1' }),
  list('mount', 'Attach a filesystem mount to the container', { type: 'mount', check: parseMount }),
  text('name', 'Assign a name to the container'),
  list('net', 'Connect a container to a network', { ...NETWORK, hidden: true, aliasOf: 'network' }),
  list('net-alias', 'Add network-scoped alias for the container', { hidden: true, aliasOf: 'network-alias' }),
  list('network', 'Connect a container to a network', NETWORK),
  list('network-alias', 'Add network-scoped alias for the container'),
  yes('no-healthcheck', 'Disable any container-specified HEALTHCHECK'),
  yes('oom-kill-disable', 'Disable OOM Killer'),
  int('oom-score-adj', "Tune host's OOM preferences (-1000 to 1000)"),
  text('pid', 'PID namespace to use'),
  int('pids-limit', 'Tune container pids limit (set -1 for unlimited)'),
  text('platform', 'Set platform if server is multi-platform capable', { since: '1.32' }),
  yes('privileged', 'Give extended privileges to this container'),
  list('publish', "Publish a container's port(s) to the host", { short: 'p' }),
  yes('publish-all', 'Publish all exposed ports to random ports', { short: 'P' }),
  yes('quiet', 'Suppress the pull output', { short: 'q' }),
  yes('read-only', "Mount the container's root filesystem as read only"),
  text('restart', 'Restart policy to apply when a container exits', { default: '"no"' }),
  yes('rm', 'Automatically remove the container and its associated anonymous volumes when it exits'),
  text('runtime', 'Runtime to use for this container'),
  list('security-opt', 'Security Options'),
  bytes('shm-size', 'Size of /dev/shm'),
  text('stop-signal', 'Signal to stop the container'),
  int('stop-timeout', 'Timeout (in seconds) to stop a container', { since: '1.25' }),
  list('storage-opt', 'Storage driver options for the container'),
  list('sysctl', 'Sysctl options', { type: 'map', default: 'map[]', check: check.checkSysctl }),
  list('tmpfs', 'Mount a tmpfs directory'),
  yes('tty', 'Allocate a pseudo-TTY', { short: 't' }),
  list('ulimit', 'Ulimit options', { type: 'ulimit', default: '[]', check: parseUlimit }),
  yes('use-api-socket', 'Bind mount Docker API socket and required auth'),
  text('user', 'Username or UID (format: <name|uid>[:<group|gid>])', { short: 'u' }),
  text('userns', 'User namespace to use'),
  text('uts', 'UTS namespace to use'),
  list('volume', 'Bind mount a volume', { short: 'v' }),
  text('volume-driver', 'Optional volume driver for the container'),
  list('volumes-from', 'Mount volumes from the specified container(s)'),
  text('workdir', 'Working directory inside the container', { short: 'w' }),
]
