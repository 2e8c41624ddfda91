// The daemon's settings: flags, then daemon.json, then defaults.
import { homedir } from 'node:os'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { API_VERSION_MIN } from '../api/versions.ts'
import { Failure, withSubject } from '../base/failure.ts'
import type { LogFormat, LogLevel } from '../base/log.ts'
import { checkConfig, checkMinApiVersion, checkStart, invalid } from './check-config.ts'
import type { EngineConfig, TlsSettings } from './config.ts'
import { DEFAULT_DATA_ROOT, defaultCgroupParent } from './instance.ts'
import { normalizeHosts } from './http/listen-address.ts'
import { parseExecOptions } from './settings/exec-options.ts'
import { type Flags, parseFlags } from './settings/parse-flags.ts'
import { chooseProxies } from './settings/proxy-setting.ts'
import { aboutFile, type ConfigFile, readConfigFile } from './settings/read-config-file.ts'
import { OWN_RUNTIMES, type RuntimeSetting } from './settings/runtime-setting.ts'
import { SETTINGS } from './settings/setting-table.ts'
import type { SettingValue, Ulimit } from './settings/setting-value.ts'
import { type IdMap, mappedRoot } from './userns/id-map.ts'
import { hostDatabase, resolveRemap, type UserDatabase } from './userns/resolve-remap.ts'

export const CONFIG_FILE = '/etc/berth/daemon.json'
const CDI_DIRECTORIES = ['/etc/cdi', '/var/run/cdi']
const SHM_BYTES = 64 << 20
const STOP_TIMEOUT_SECONDS = 10

export interface LoadedConfig {
  action: Flags['action']
  config: EngineConfig
  /** What was set without having an effect here, and what Docker gave up: to be told to the log. */
  warnings: readonly string[]
  flags: Flags
  file: ConfigFile
  configFile: string
}

/** Throws Failure('invalid-argument') in Docker's words. @param users of `userns-remap`; left out: the host's, to which nobody is added */
export function loadConfig(
  argv: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  users: UserDatabase = hostDatabase(addNobody),
): LoadedConfig {
  const flags = parseFlags(argv)
  const configFile = flags.configFile ?? CONFIG_FILE
  const isRun = flags.action !== 'help' && flags.action !== 'version'
  const file = isRun ? readConfigFile(configFile, flags.configFile !== undefined, flags.values) : EMPTY_FILE
  const merged = mergeRuntimes(flags.values, file.values)
  const values = new Map([...file.values, ...merged])
  const config = buildConfig(values, env)
  if (isRun) {
    if (existsSync(configFile)) aboutFile(configFile, () => checkMerged(config))
    else checkConfig(config)
    checkStart(config, values)
  }
  const idMap = flags.action === 'run' ? resolveRemap(config.usernsRemap, users) : undefined
  const isRootItself = flags.action === 'run' && config.usernsRemap !== '' && idMap === undefined
  const inert = SETTINGS.filter(({ key, hasNoEffect }) => hasNoEffect && flags.values.has(key))
  const warnings = [
    ...flags.warnings,
    ...(isRootItself ? ['User namespaces: root cannot be remapped with itself; user namespaces are OFF'] : []),
    ...inert.map(({ flag }) => `--${flag} has no effect`),
    ...file.ignored.map((key) => `the directive ${key} of the configuration file has no effect`),
  ]
  const mapped = idMap === undefined ? config : buildConfig(values, env, idMap)
  return { action: flags.action, config: mapped, warnings, flags, file, configFile }
}

function addNobody(name: string): never {
  throw new Failure('unavailable', `no such user: ${name}`)
}

function checkMerged(config: EngineConfig): void {
  try {
    checkConfig(config)
  } catch (error) {
    throw withSubject('merged configuration validation from file and command line flags failed', error)
  }
}

const EMPTY_FILE: ConfigFile = { values: new Map(), ignored: [] }

/** The one setting to which flags add. */
function mergeRuntimes(
  flags: ReadonlyMap<string, SettingValue>,
  file: ReadonlyMap<string, SettingValue>,
): ReadonlyMap<string, SettingValue> {
  const [fromFlags, fromFile] = [flags, file].map((values) => values.get('runtimes') as Record<string, RuntimeSetting>)
  if (fromFlags === undefined || fromFile === undefined) return flags
  return new Map([...flags, ['runtimes', { ...fromFile, ...fromFlags }]])
}

/** Nothing is checked yet but what cannot be expressed otherwise. @param idMap of `userns-remap`: such an engine has a data root of its own below, as with Docker. */
export function buildConfig(
  values: ReadonlyMap<string, SettingValue>,
  env: NodeJS.ProcessEnv,
  idMap?: IdMap,
): EngineConfig {
  const get = <T extends SettingValue>(key: string, fallback: T): T => (values.get(key) as T | undefined) ?? fallback
  const optional = (key: string) => get(key, '') || undefined
  const dataRoot = dataRootOf(get('data-root', DEFAULT_DATA_ROOT), idMap)
  const tls = tlsSettings(values, env)
  const cgroupDriver = parseExecOptions(get<string[]>('exec-opts', [])).cgroupDriver
  return {
    dataRoot,
    execRoot: get('exec-root', '/run/berth'),
    pidFile: get('pidfile', '/run/berth.pid'),
    hosts: normalizeHosts(get<string[]>('hosts', []), tls.isOn === true),
    tls,
    containerdAddress: optional('containerd'),
    containerdNamespace: get('containerd-namespace', 'moby'),
    containerdPluginNamespace: get('containerd-plugin-namespace', 'plugins.moby'),
    ...logSettings(get),
    group: get('group', 'docker'),
    bridge: optional('bridge'),
    bip: optional('bip'),
    insecureRegistries: get<string[]>('insecure-registries', []),
    registryMirrors: get<string[]>('registry-mirrors', []),
    proxies: chooseProxies(
      { http: get('http-proxy', ''), https: get('https-proxy', ''), no: get('no-proxy', '') },
      env,
    ),
    logDriver: get('log-driver', 'json-file'),
    logOptions: get<Record<string, string>>('log-opts', {}),
    ...containerDefaults(get),
    idMap,
    labels: [...new Set(get<string[]>('labels', []))],
    features: get<Record<string, boolean>>('features', {}),
    isExperimental: get('experimental', false),
    authorizationPlugins: get<string[]>('authorization-plugins', []),
    cdiSpecDirectories: cdiDirectories(get),
    maxConcurrentDownloads: get('max-concurrent-downloads', 0) || 3,
    maxConcurrentUploads: get('max-concurrent-uploads', 0) || 5,
    maxDownloadAttempts: get('max-download-attempts', 0) || 5,
    metricsAddress: get('metrics-addr', ''),
    servesImages: get('serve-images', false),
    signaturePolicy: get('signature-policy', ''),
    minApiVersion: minApiVersion(get('min-api-version', ''), env),
    shutdownTimeoutSeconds: get('shutdown-timeout', 15),
    cgroupDriver,
    cgroupParent:
      get('cgroup-parent', '') || (cgroupDriver === 'systemd' ? 'system.slice' : defaultCgroupParent(dataRoot)),
    iptables: get('iptables', true),
    ipForward: get('ip-forward', true),
    ipMasq: get('ip-masq', true),
    interContainerCommunication: get('icc', true),
    userlandProxy: get('userland-proxy', true),
    defaultPublishAddress: get('ip', '0.0.0.0'),
    mtu: get('mtu', 0) || 1500,
    liveRestore: get('live-restore', true),
    dns: get<string[]>('dns', []),
    dnsSearch: get<string[]>('dns-search', []),
    dnsOptions: get<string[]>('dns-opts', []),
    hostGatewayAddresses: get<string[]>('host-gateway-ips', [get('host-gateway-ip', '')].filter(Boolean)),
    resolvConf: get('resolv-conf', ''),
  }
}

function dataRootOf(directory: string, idMap: IdMap | undefined): string {
  if (idMap === undefined) return directory
  const { uid, gid } = mappedRoot(idMap)
  return join(directory, `${uid}.${gid}`)
}

type Get = <T extends SettingValue>(key: string, fallback: T) => T

function containerDefaults(get: Get) {
  return {
    runtimes: get<Record<string, RuntimeSetting>>('runtimes', {}),
    defaultRuntime: get('default-runtime', '') || OWN_RUNTIMES[0],
    defaultUlimits: get<Record<string, Ulimit>>('default-ulimits', {}),
    defaultIpcMode: get('default-ipc-mode', '') || 'private',
    defaultCgroupnsMode: (get('default-cgroupns-mode', '') || undefined) as EngineConfig['defaultCgroupnsMode'],
    defaultShmBytes: get('default-shm-size', 0) || SHM_BYTES,
    defaultStopTimeoutSeconds: get('default-stop-timeout', STOP_TIMEOUT_SECONDS),
    noNewPrivileges: get('no-new-privileges', false),
    init: get('init', false),
    initPath: get('init-path', '') || get('default-init', '') || undefined,
    seccompProfile: get('seccomp-profile', '') || 'builtin',
    usernsRemap: get('userns-remap', ''),
  }
}

function logSettings(get: Get): Pick<EngineConfig, 'debug' | 'logLevel' | 'logFormat'> {
  const debug = get('debug', false)
  const format = get('log-format', 'text') || 'text'
  if (format !== 'text' && format !== 'json') throw invalid(`invalid log format: ${format}`)
  return { debug, logLevel: debug ? 'debug' : parseLogLevel(get('log-level', 'info')), logFormat: format as LogFormat }
}

/** Docker's seven levels; the outermost two of each end are one here. */
function parseLogLevel(text: string): LogLevel {
  const levels: Record<string, LogLevel> = { panic: 'error', fatal: 'error', trace: 'debug', '': 'info' }
  const name = text.toLowerCase()
  const level = levels[name] ?? (['debug', 'info', 'warn', 'error'] as const).find((each) => each === name)
  if (level === undefined) throw invalid(`invalid logging level: ${text}`)
  return level
}

/** Naming `tlsverify` at all turns TLS on; TLS verifies clients unless `tlsverify` is false. Certificates are where Docker's are. */
function tlsSettings(values: ReadonlyMap<string, SettingValue>, env: NodeJS.ProcessEnv): TlsSettings {
  const directory = env['DOCKER_CERT_PATH'] || env['DOCKER_CONFIG'] || join(homedir(), '.docker')
  const file = (key: string, name: string) => (values.get(key) as string | undefined) || join(directory, name)
  const verify = (values.get('tlsverify') as boolean | undefined) ?? (env['DOCKER_TLS_VERIFY'] ? true : undefined)
  const isOn = verify === undefined ? (values.get('tls') as boolean | undefined) : true
  return {
    isOn,
    verifiesClients: isOn === true && verify !== false,
    caFile: file('tlscacert', 'ca.pem'),
    certFile: file('tlscert', 'cert.pem'),
    keyFile: file('tlskey', 'key.pem'),
  }
}

/** One empty name, or the feature switched off: no devices by CDI. */
function cdiDirectories(get: Get): string[] {
  const directories = get<string[]>('cdi-spec-dirs', CDI_DIRECTORIES)
  const isOff = get<Record<string, boolean>>('features', {})['cdi'] === false
  return isOff || (directories.length === 1 && directories[0] === '') ? [] : directories
}

/** The variable goes before the file, as with Docker. */
function minApiVersion(fromFile: string, env: NodeJS.ProcessEnv): string {
  const fromEnvironment = env['DOCKER_MIN_API_VERSION'] ?? ''
  if (fromEnvironment !== '') checkMinApiVersion(fromEnvironment, 'invalid DOCKER_MIN_API_VERSION')
  if (fromFile !== '') checkMinApiVersion(fromFile, 'invalid min-api-version')
  return fromEnvironment || fromFile || API_VERSION_MIN
}
