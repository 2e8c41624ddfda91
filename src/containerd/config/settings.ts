// From a checked document to what the daemon goes by. Whatever can't be obeyed is a warning or a Failure here, and nowhere silent.
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Log, LogFormat, LogLevel } from '../../base/log.ts'
import { OWN_RUNTIMES } from '../own-runtimes.ts'
import { SHIM_TIMEOUTS, type ShimTimeouts } from '../shims/shim-host.ts'
import { parseDuration } from './duration.ts'
import { checkPlugins, hasTaskMetrics } from './plugin-rules.ts'
import type { Document } from './schema.ts'

export interface OwnedSocket {
  address: string
  uid: number
  gid: number
}

export interface TcpSettings {
  host: string
  port: number
  /** Undefined: in the clear, on the loopback only. */
  tls: { certFile: string; keyFile: string; caFile: string | undefined; commonName: string | undefined } | undefined
}

/** io.containerd.gc.v1.scheduler */
export interface CollectorSettings {
  /** Of all time, what collections may take. */
  pauseThreshold: number
  /** So many deletions are not left waiting for the next interval; 0: they always are. */
  deletionThreshold: number
  /** So many changes without a deletion are worth a collection; 0: they never are. */
  mutationThreshold: number
  scheduleDelayMs: number
  startupDelayMs: number
}

/** io.containerd.snapshotter.v1.overlayfs */
export interface OverlaySettings {
  /** Undefined: below the daemon's root. */
  root: string | undefined
  upperdirLabel: boolean
  syncRemove: boolean
  mountOptions: readonly string[]
  slowChown: boolean
}

export interface DaemonSettings {
  root: string
  state: string
  temp: string
  grpc: OwnedSocket & { receiveBytesMax: number; sendBytesMax: number; tcp: TcpSettings | undefined }
  ttrpc: OwnedSocket
  /** Undefined: no debug socket. */
  debug: OwnedSocket | undefined
  log: { level: LogLevel; format: LogFormat }
  metrics: { host: string; port: number; grpcHistogram: boolean } | undefined
  /** Tasks are measured, too, where there are metrics. */
  hasTaskMetrics: boolean
  /** URIs, `io.containerd.grpc.v1.tasks`. */
  disabledPlugins: ReadonlySet<string>
  /** 0: as it was started. */
  oomScore: number
  cgroupPath: string
  shimTimeouts: ShimTimeouts
  collector: CollectorSettings
  overlay: OverlaySettings
  nativeRoot: string | undefined
  isContentShared: boolean
  /** Names of runtimes that are served without a shim of their own. */
  ownRuntimes: readonly string[]
}

/** Flags that win over the file. */
export interface FlagSettings {
  root?: string
  state?: string
  address?: string
  logLevel?: string
  ownRuntimes?: readonly string[]
}

const TASK_PLUGIN = 'io.containerd.runtime.v2.task'

/** The document with the flags in it: what `config dump` prints. */
export function applyFlags(document: Document, flags: FlagSettings): Document {
  const grpc = { ...section(document, 'grpc') }
  const { root = document['root'], state = document['state'] } = flags
  // A state directory of its own has the socket in it, unless somebody says where else.
  if (flags.state !== undefined && grpc['address'] === join(String(document['state']), 'containerd.sock'))
    grpc['address'] = join(flags.state, 'containerd.sock')
  if (flags.address !== undefined) grpc['address'] = flags.address.replace(/^unix:\/\//, '')
  const debug = section(document, 'debug')
  const plugins = section(document, 'plugins')
  const { ownRuntimes } = flags
  return {
    ...document,
    ...{ root, state, grpc },
    debug: flags.logLevel === undefined ? debug : { ...debug, level: flags.logLevel },
    plugins:
      ownRuntimes === undefined
        ? plugins
        : { ...plugins, [TASK_PLUGIN]: { ...section(plugins, TASK_PLUGIN), own_runtimes: ownRuntimes } },
  }
}

/** Throws `invalid-argument` of a value that makes no sense. */
export function settingsOf(document: Document, log: Log): DaemonSettings {
  const root = requirePath(document, 'root')
  const state = requirePath(document, 'state')
  if (root === state) throw invalid('root and state must be different paths')
  const disabledPlugins = new Set(document['disabled_plugins'] as string[])
  checkPlugins(document, disabledPlugins, log)
  return {
    root,
    state,
    temp: String(document['temp']),
    ...socketsOf(document),
    log: logOf(section(document, 'debug')),
    metrics: metricsOf(section(document, 'metrics')),
    hasTaskMetrics: hasTaskMetrics(section(document, 'plugins'), disabledPlugins),
    disabledPlugins,
    oomScore: oomScoreOf(document['oom_score'] as number),
    cgroupPath: String(section(document, 'cgroup')['path']),
    shimTimeouts: timeoutsOf(section(document, 'timeouts'), log),
    ...pluginSettings(section(document, 'plugins')),
  }
}

function section(document: Document, key: string): Document {
  return (document[key] ?? {}) as Document
}

function requirePath(document: Document, key: string): string {
  const path = document[key]
  if (typeof path !== 'string' || path === '') throw invalid(`${key} must be specified`)
  return path
}

function socketsOf(document: Document): Pick<DaemonSettings, 'grpc' | 'ttrpc' | 'debug'> {
  const grpc = section(document, 'grpc')
  const ttrpc = section(document, 'ttrpc')
  const debug = section(document, 'debug')
  const { address, uid, gid } = ownedSocket(grpc)
  if (address === '') throw invalid('grpc address cannot be empty')
  return {
    grpc: {
      ...{ address, uid, gid },
      receiveBytesMax: bytesOf(grpc, 'max_recv_message_size'),
      sendBytesMax: bytesOf(grpc, 'max_send_message_size'),
      tcp: tcpOf(grpc),
    },
    // Its own, or beside the other and of the same owner.
    ttrpc: ttrpc['address'] === '' ? { address: `${address}.ttrpc`, uid, gid } : ownedSocket(ttrpc),
    debug: debug['address'] === '' ? undefined : ownedSocket(debug),
  }
}

function ownedSocket(values: Document): OwnedSocket {
  return {
    address: String(values['address']).replace(/^unix:\/\//, ''),
    uid: Number(values['uid']),
    gid: Number(values['gid']),
  }
}

function bytesOf(values: Document, key: string): number {
  const size = Number(values[key])
  if (size < 0) throw invalid(`grpc.${key} is ${size}`)
  return size === 0 ? 16 << 20 : size
}

/**
 * Whoever may call owns the machine: without certificates of its clients a TCP port is a door for all, so that one in the clear, or one that
 * checks no client, is refused but on the loopback, where the original opens it all the same.
 */
function tcpOf(grpc: Document): TcpSettings | undefined {
  const [address, certFile, keyFile, ca, name] = ['address', 'tls_cert', 'tls_key', 'tls_ca', 'tls_common_name'].map(
    (key) => String(grpc[`tcp_${key}`]),
  ) as [string, string, string, string, string]
  if (address === '') return undefined
  const { host, port } = parseHostPort(address, 'grpc.tcp_address')
  const isLoopback = /^(?:127(?:\.\d+){3}|::1|localhost)$/.test(host)
  if ((certFile === '') !== (keyFile === '')) throw invalid('grpc.tcp_tls_cert and grpc.tcp_tls_key go together')
  if (certFile === '' && (ca !== '' || name !== ''))
    throw invalid('grpc.tcp_tls_ca needs grpc.tcp_tls_cert and grpc.tcp_tls_key')
  if (name !== '' && ca === '') throw invalid('grpc.tcp_tls_common_name needs grpc.tcp_tls_ca')
  if (ca === '' && !isLoopback)
    throw invalid(
      `grpc.tcp_address ${address} would let anybody who reaches it be root here: give tcp_tls_cert, tcp_tls_key and tcp_tls_ca, or an address of the loopback`,
    )
  const tls = { certFile, keyFile, caFile: ca || undefined, commonName: name || undefined }
  return { host, port, tls: certFile === '' ? undefined : tls }
}

function parseHostPort(address: string, key: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(address) ?? []
  if (port === undefined || Number(port) > 65_535) throw invalid(`${key}: ${JSON.stringify(address)} is not host:port`)
  return { host: bracketed ?? plain ?? '', port: Number(port) }
}

/** The finer ones than ours fall on ours. */
const LOG_LEVELS = new Map<string, LogLevel>([
  ['', 'info'],
  ['trace', 'debug'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['fatal', 'error'],
  ['panic', 'error'],
])

function logOf(debug: Document): DaemonSettings['log'] {
  const name = String(debug['level'])
  const level = LOG_LEVELS.get(name.toLowerCase())
  if (level === undefined) throw invalid(`not a valid logrus Level: ${JSON.stringify(name)}`)
  const format = debug['format'] === '' ? 'text' : debug['format']
  if (format !== 'text' && format !== 'json') throw invalid(`unknown log format: ${String(format)}`)
  return { level, format }
}

function metricsOf(metrics: Document): DaemonSettings['metrics'] {
  if (metrics['address'] === '') return undefined
  return {
    ...parseHostPort(String(metrics['address']), 'metrics.address'),
    grpcHistogram: metrics['grpc_histogram'] === true,
  }
}

function oomScoreOf(score: number): number {
  if (score < -1000 || score > 1000) throw invalid(`oom_score is ${score}, which is not between -1000 and 1000`)
  return score
}

/** What is waited for here. The original has some more, for what is not part of this daemon, or is never waited for. */
const TIMEOUTS: Readonly<Record<string, keyof ShimTimeouts | undefined>> = {
  'io.containerd.timeout.shim.load': 'loadMs',
  'io.containerd.timeout.shim.cleanup': 'cleanupMs',
  'io.containerd.timeout.shim.shutdown': 'shutdownMs',
  'io.containerd.timeout.task.state': 'stateMs',
}
const WITHOUT_EFFECT = ['bolt.open', 'metrics.shimstats', 'cri.defercleanup'].map(
  (name) => `io.containerd.timeout.${name}`,
)

function timeoutsOf(timeouts: Document, log: Log): ShimTimeouts {
  const found = { ...SHIM_TIMEOUTS }
  for (const [name, value] of Object.entries(timeouts)) {
    const key = TIMEOUTS[name]
    const ms = parseDuration(String(value))
    if (key !== undefined && ms > 0) found[key] = ms
    else if (key === undefined && !(WITHOUT_EFFECT.includes(name) && ms === 0)) log.warn('Ignoring timeout', { name })
  }
  return found
}

function pluginSettings(
  plugins: Document,
): Pick<DaemonSettings, 'collector' | 'overlay' | 'nativeRoot' | 'isContentShared' | 'ownRuntimes'> {
  const scheduler = section(plugins, 'io.containerd.gc.v1.scheduler')
  const overlay = section(plugins, 'io.containerd.snapshotter.v1.overlayfs')
  const native = section(plugins, 'io.containerd.snapshotter.v1.native')
  const policy = section(plugins, 'io.containerd.metadata.v1.bolt')['content_sharing_policy'] ?? ''
  if (policy !== '' && policy !== 'shared' && policy !== 'isolated')
    throw invalid(`unknown policy: ${String(policy)}: invalid argument`)
  return {
    collector: {
      // Half of the time at most, as containerd has it.
      pauseThreshold: Math.min(Math.max(Number(scheduler['pause_threshold'] ?? 0.02), 0), 0.5),
      deletionThreshold: Math.max(Number(scheduler['deletion_threshold'] ?? 0), 0),
      mutationThreshold: Math.max(Number(scheduler['mutation_threshold'] ?? 100), 0),
      scheduleDelayMs: Math.max(parseDuration(String(scheduler['schedule_delay'] ?? '0')), 0),
      startupDelayMs: Math.max(parseDuration(String(scheduler['startup_delay'] ?? '100ms')), 0),
    },
    overlay: {
      root: String(overlay['root_path'] ?? '') || undefined,
      upperdirLabel: overlay['upperdir_label'] === true,
      syncRemove: overlay['sync_remove'] === true,
      mountOptions: (overlay['mount_options'] ?? []) as string[],
      slowChown: overlay['slow_chown'] === true,
    },
    nativeRoot: String(native['root_path'] ?? '') || undefined,
    isContentShared: policy !== 'isolated',
    ownRuntimes: (section(plugins, TASK_PLUGIN)['own_runtimes'] ?? OWN_RUNTIMES) as string[],
  }
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
