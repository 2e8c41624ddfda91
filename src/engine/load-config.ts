// The daemon's settings: flags, then daemon.json, then defaults.
import { Failure } from '../base/failure.ts'
import type { LogLevel } from '../base/log.ts'
import type { EngineConfig } from './config.ts'
import { DEFAULT_DATA_ROOT, defaultCgroupParent } from './instance.ts'
import { parseListenAddress } from './http/listen.ts'
import { type Flags, parseFlags } from './settings/parse-flags.ts'
import { type ConfigFile, readConfigFile } from './settings/read-config-file.ts'
import { OWN_RUNTIMES, type RuntimeSetting } from './settings/runtime-setting.ts'
import type { SettingValue, Ulimit } from './settings/setting-value.ts'

export const CONFIG_FILE = '/etc/berth/daemon.json'

export interface LoadedConfig {
  action: Flags['action']
  config: EngineConfig
  /** Keys of daemon.json that have no effect here: to be told to the log. */
  ignoredKeys: readonly string[]
}

/** Throws Failure('invalid-argument') in Docker's words. */
export function loadConfig(argv: readonly string[]): LoadedConfig {
  const flags = parseFlags(argv)
  const isRequired = flags.configFile !== undefined
  const file: ConfigFile =
    flags.action === 'help' || flags.action === 'version'
      ? { values: new Map(), ignored: [] }
      : readConfigFile(flags.configFile ?? CONFIG_FILE, isRequired, flags.values)
  const config = buildConfig(new Map([...file.values, ...flags.values]))
  return { action: flags.action, config, ignoredKeys: file.ignored }
}

function buildConfig(values: ReadonlyMap<string, SettingValue>): EngineConfig {
  const get = <T extends SettingValue>(key: string, fallback: T): T => (values.get(key) as T | undefined) ?? fallback
  const optional = (key: string) => get(key, '') || undefined
  const dataRoot = get('data-root', DEFAULT_DATA_ROOT)
  const config: EngineConfig = {
    dataRoot,
    execRoot: get('exec-root', '/run/berth'),
    pidFile: get('pidfile', '/run/berth.pid'),
    hosts: get<string[]>('hosts', ['unix:///run/berth.sock']),
    containerdAddress: optional('containerd'),
    containerdNamespace: get('containerd-namespace', 'moby'),
    debug: get('debug', false),
    logLevel: get('debug', false) ? 'debug' : parseLogLevel(get('log-level', 'info')),
    group: get('group', 'docker'),
    allowPlainTcp: values.get('tls') === false,
    bridge: optional('bridge'),
    bip: optional('bip'),
    insecureRegistries: get<string[]>('insecure-registries', []),
    registryMirrors: get<string[]>('registry-mirrors', []),
    logDriver: get('log-driver', 'json-file'),
    logOptions: get<Record<string, string>>('log-opts', {}),
    runtimes: get<Record<string, RuntimeSetting>>('runtimes', {}),
    defaultRuntime: get('default-runtime', '') || OWN_RUNTIMES[0],
    defaultUlimits: get<Record<string, Ulimit>>('default-ulimits', {}),
    labels: get<string[]>('labels', []),
    maxConcurrentDownloads: get('max-concurrent-downloads', 0) || 3,
    shutdownTimeoutSeconds: get('shutdown-timeout', 15),
    cgroupParent: get('cgroup-parent', '') || defaultCgroupParent(dataRoot),
    iptables: get('iptables', true),
    ipForward: get('ip-forward', true),
    ipMasq: get('ip-masq', true),
    interContainerCommunication: get('icc', true),
    userlandProxy: get('userland-proxy', true),
    defaultPublishAddress: get('ip', '0.0.0.0'),
    mtu: get('mtu', 0) || 1500,
    noNewPrivileges: get('no-new-privileges', false),
    init: get('init', false),
    liveRestore: true,
    isExperimental: get('experimental', false),
    dns: get<string[]>('dns', []),
    dnsSearch: get<string[]>('dns-search', []),
    dnsOptions: get<string[]>('dns-opts', []),
  }
  checkConfig(config, values)
  return config
}

function checkConfig(config: EngineConfig, values: ReadonlyMap<string, SettingValue>): void {
  if (values.get('tls') === true) throw invalid('TLS is not supported: use a unix socket or ssh')
  for (const host of config.hosts) {
    const address = parseListenAddress(host)
    if (address.kind === 'tcp' && !config.allowPlainTcp)
      throw invalid(
        `${host}: the API over TCP is root access without authentication; pass --tls=false if that is meant`,
      )
  }
  if (config.bridge !== undefined && config.bip !== undefined)
    throw invalid('You specified -b & --bip, mutually exclusive options. Please specify only one')
  if (config.mtu < 0) throw invalid(`invalid default MTU: ${config.mtu}`)
  if (config.maxConcurrentDownloads < 0)
    throw invalid(`invalid max concurrent downloads: ${config.maxConcurrentDownloads}`)
  for (const path of [config.dataRoot, config.execRoot])
    if (!path.startsWith('/')) throw invalid(`${path}: the path must be absolute`)
  if (
    !OWN_RUNTIMES.some((name) => name === config.defaultRuntime) &&
    config.runtimes[config.defaultRuntime] === undefined
  )
    throw invalid(`specified default runtime '${config.defaultRuntime}' does not exist`)
  checkLabels(config.labels)
  for (const mirror of config.registryMirrors) checkMirror(mirror)
}

function checkLabels(labels: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const label of labels) {
    const equals = label.indexOf('=')
    if (equals < 1) throw invalid(`bad attribute format: ${label}`)
    const [key, value] = [label.slice(0, equals), label.slice(equals + 1)]
    const other = seen.get(key)
    if (other !== undefined && other !== value) throw invalid(`conflict labels for ${key}=${value} and ${key}=${other}`)
    seen.set(key, value)
  }
}

function checkMirror(mirror: string): void {
  const scheme = /^(?:([a-z][a-z0-9+.-]*):)?/i.exec(mirror)?.[1] ?? ''
  if (scheme !== 'http' && scheme !== 'https')
    throw invalid(`invalid mirror: unsupported scheme ${JSON.stringify(scheme)} in ${JSON.stringify(mirror)}`)
  if (!URL.canParse(mirror)) throw invalid(`invalid mirror: ${JSON.stringify(mirror)} is not a valid URI`)
}

function parseLogLevel(text: string): LogLevel {
  const level = (['debug', 'info', 'warn', 'error'] as const).find((name) => name === text)
  if (level === undefined) throw invalid(`invalid logging level: ${text}`)
  return level
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
