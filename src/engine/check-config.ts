// Whether the daemon's settings make sense, each by itself and together. Texts are dockerd's.
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { API_VERSION, API_VERSION_MIN, compareVersions } from '../api/versions.ts'
import { Failure } from '../base/failure.ts'
import { canMapOverlays } from '../linux/user-namespace.ts'
import type { EngineConfig } from './config.ts'
import { parseProfile } from './container/spec/seccomp-profile.ts'
import { parseListenAddress } from './http/listen-address.ts'
import { wrapped } from './logs/go-values.ts'
import { checkLogConfig } from './logs/log-drivers.ts'
import { maskCredentials } from './settings/proxy-setting.ts'
import { OWN_RUNTIMES } from './settings/runtime-setting.ts'
import type { SettingValue } from './settings/setting-value.ts'
import { checkPolicy } from './signature/read-policy.ts'

const CGROUP2_MAGIC = 0x63677270
/** Names of what berth-containerd stores layers with, by Docker's older and newer name. */
const STORAGE_DRIVERS = ['', 'overlay2', 'overlayfs']
const RESERVED_LABELS = ['com.docker.', 'io.docker.', 'org.dockerproject.']

/** Each value by itself. Throws Failure('invalid-argument'). */
export function checkConfig(config: EngineConfig): void {
  checkNumbers(config)
  for (const search of config.dnsSearch) checkDomain(search)
  checkHostGateways(config.hostGatewayAddresses)
  for (const label of config.labels) checkLabel(label)
  for (const mirror of config.registryMirrors) checkMirror(mirror)
  checkModes(config)
}

/** What would keep a daemon from starting. @param values what was said, by key: for settings that only have to be refused */
export function checkStart(config: EngineConfig, values: ReadonlyMap<string, SettingValue>): void {
  checkLabelConflicts(config.labels)
  checkTcp(config)
  checkLogDefaults(config)
  checkSeccomp(config.seccompProfile)
  checkSignaturePolicy(config.signaturePolicy)
  checkTogether(config)
  checkRuntime(config)
  checkPartsThatAreNotHere(config, values)
}

/** `subject` stands in front of what is wrong. */
export function checkMinApiVersion(version: string, subject: string): void {
  const refuse = (reason: string): Failure => invalid(`${subject}: ${reason}`)
  if (/^v/i.test(version)) throw refuse('API version must be provided without "v" prefix')
  if (!/^\d+\.\d+$/.test(version)) throw refuse(`invalid API version: ${version}`)
  if (compareVersions(version, API_VERSION_MIN) < 0)
    throw refuse(`minimum supported API version is ${API_VERSION_MIN}: ${version}`)
  if (compareVersions(version, API_VERSION) > 0)
    throw refuse(`maximum supported API version is ${API_VERSION}: ${version}`)
}

function checkSignaturePolicy(path: string): void {
  if (path === '') return
  if (!path.startsWith('/')) throw invalid(`signature-policy: ${path} is not an absolute path`)
  checkPolicy(path)
}

/** A driver by itself is looked at only when a container has it. */
function checkLogDefaults({ logDriver, logOptions }: EngineConfig): void {
  if (Object.keys(logOptions).length > 0) wrapped('failed to set log opts', () => checkLogConfig(logDriver, logOptions))
}

function checkNumbers(config: EngineConfig): void {
  const named = [
    ['default MTU', config.mtu],
    ['max concurrent downloads', config.maxConcurrentDownloads],
    ['max concurrent uploads', config.maxConcurrentUploads],
    ['max download attempts', config.maxDownloadAttempts],
  ] as const
  for (const [name, value] of named) if (value < 0) throw invalid(`invalid ${name}: ${value}`)
}

function checkDomain(text: string): void {
  const domain = text.trim()
  if (domain === '.') return
  const labels = domain.replace(/\.$/, '').split('.')
  const isLabel = (label: string) => /^[a-zA-Z0-9-]+$/.test(label) && !label.startsWith('-') && !label.endsWith('-')
  if (!/[a-zA-Z]/.test(domain) || domain.length >= 255 || !labels.every(isLabel))
    throw invalid(`${domain} is not a valid domain`)
}

function checkHostGateways(addresses: readonly string[]): void {
  for (const [family, wanted] of [
    ['IPv4', true],
    ['IPv6', false],
  ] as const)
    if (addresses.filter((address) => isIPv4(address) === wanted).length > 1)
      throw invalid(`only one ${family} host gateway IP address can be specified`)
}

function checkLabel(label: string): void {
  if (!label.includes('=')) throw invalid(`bad attribute format: ${label}`)
  if (RESERVED_LABELS.some((prefix) => label.toLowerCase().startsWith(prefix)))
    throw invalid(
      `label ${label} is not allowed: the namespaces com.docker.*, io.docker.*, and org.dockerproject.* are reserved for internal use`,
    )
}

function checkLabelConflicts(labels: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const label of labels) {
    const equals = label.indexOf('=')
    const [key, value] = [label.slice(0, equals), label.slice(equals + 1)]
    const other = seen.get(key)
    if (other !== undefined && other !== value) throw invalid(`conflict labels for ${key}=${value} and ${key}=${other}`)
    seen.set(key, value)
  }
}

function checkMirror(mirror: string): void {
  const shown = JSON.stringify(mirror)
  const [, scheme = ''] = /^(.+?):\/\//s.exec(mirror) ?? []
  if (scheme === '')
    throw invalid(`invalid mirror: no scheme specified for ${shown}: must use either 'https://' or 'http://'`)
  if (!URL.canParse(mirror)) throw invalid(`invalid mirror: ${shown} is not a valid URI`)
  if (scheme !== 'http' && scheme !== 'https')
    throw invalid(
      `invalid mirror: unsupported scheme ${JSON.stringify(scheme)} in ${shown}: must use either 'https://' or 'http://'`,
    )
  const url = new URL(mirror)
  if (url.search !== '' || url.hash !== '')
    throw invalid(`invalid mirror: query or fragment at end of the URI ${shown}`)
  if (url.username !== '' || url.password !== '')
    throw invalid(`invalid mirror: username/password not allowed in URI ${JSON.stringify(maskCredentials(mirror))}`)
}

/** Docker warns that it will refuse this; we do. TLS without a client's certificate is a choice that somebody has made. */
function checkTcp({ hosts, tls }: EngineConfig): void {
  if (tls.isOn !== undefined) return
  const open = hosts.find((host) => parseListenAddress(host).kind === 'tcp')
  if (open !== undefined)
    throw invalid(
      `${open}: binding to an IP address without --tlsverify gives root access to everyone who can reach it; you can override this by explicitly specifying '--tls=false' or '--tlsverify=false'`,
    )
}

function checkModes(config: EngineConfig): void {
  const { defaultIpcMode: ipc, defaultCgroupnsMode: cgroupns } = config
  const hint = 'use "shareable" or "private"'
  if (ipc === 'host' || ipc === 'none' || ipc.startsWith('container:'))
    throw invalid(`IPC mode "${ipc}" is not supported as default value; ${hint}`)
  if (ipc !== 'private' && ipc !== 'shareable') throw invalid(`default IPC mode setting (${ipc}) is invalid; ${hint}`)
  if (cgroupns !== undefined && cgroupns !== 'host' && cgroupns !== 'private')
    throw invalid(`invalid default cgroup namespace (${String(cgroupns)}): use "host" or "private"`)
}

function checkSeccomp(seccompProfile: string): void {
  if (seccompProfile === 'builtin' || seccompProfile === 'unconfined') return
  if (!existsSync(seccompProfile))
    throw invalid(
      `opening seccomp profile (${seccompProfile}) failed: open ${seccompProfile}: no such file or directory`,
    )
  parseProfile(readFileSync(seccompProfile, 'utf8'))
}

function checkTogether(config: EngineConfig): void {
  for (const path of [config.dataRoot, config.execRoot])
    if (!path.startsWith('/')) throw invalid(`${path}: the path must be absolute`)
  if (config.containerdNamespace === config.containerdPluginNamespace)
    throw invalid('containers namespace and plugins namespace cannot be the same')
  if (config.bridge !== undefined && config.bip !== undefined)
    throw invalid('You specified -b & --bip, mutually exclusive options. Please specify only one')
  if (!config.interContainerCommunication && !config.iptables)
    throw invalid(
      'You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true',
    )
  if (config.cgroupDriver === 'systemd' && !/^.{1,}\.slice$/.test(config.cgroupParent))
    throw invalid('cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"')
}

function checkRuntime({ defaultRuntime, runtimes }: Pick<EngineConfig, 'defaultRuntime' | 'runtimes'>): void {
  if (OWN_RUNTIMES.some((name) => name === defaultRuntime) || runtimes[defaultRuntime] !== undefined) return
  throw invalid(`specified default runtime '${defaultRuntime}' does not exist`)
}

/** A daemon that passed these over would be less safe, or another, than its owner believes. */
function checkPartsThatAreNotHere(config: EngineConfig, values: ReadonlyMap<string, SettingValue>): void {
  const isSet = (key: string) => Boolean(values.get(key))
  if (isSet('cpu-rt-period') || isSet('cpu-rt-runtime')) refuseRealtime()
  if (config.usernsRemap !== '') checkRemap(config)
  for (const key of ['cri-containerd', 'rootless', 'selinux-enabled']) if (isSet(key)) throw notHere(key)
  const driver = (values.get('storage-driver') as string | undefined) ?? ''
  if (!STORAGE_DRIVERS.includes(driver))
    throw invalid(`error initializing graphdriver: driver not supported: ${driver}`)
  for (const option of (values.get('storage-opts') as string[] | undefined) ?? []) checkStorageOption(option)
}

/** Images stay as they are and are seen through mounts that map; with another containerd that would be up to its snapshotter, its shim and its runc. */
function checkRemap({ containerdAddress }: EngineConfig): void {
  if (containerdAddress !== undefined)
    throw invalid('userns-remap: not supported together with --containerd, whose snapshots may not be mapped')
  if (!canMapOverlays())
    throw invalid('userns-remap: the kernel cannot map the ids of overlays; Linux 6.15 or newer is needed')
}

function refuseRealtime(): never {
  const what = 'daemon-scoped cpu-rt-period and cpu-rt-runtime are'
  if (statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC) throw invalid(`${what} not implemented for cgroup v2`)
  if (!existsSync('/sys/fs/cgroup/cpu/cpu.rt_runtime_us')) throw invalid(`${what} not supported by the kernel`)
  throw notHere('cpu-rt-period, cpu-rt-runtime')
}

/** The one that Docker takes without effect; limits of size need a file system with project quotas under a graph driver. */
function checkStorageOption(option: string): void {
  const equals = option.indexOf('=')
  if (equals < 0) throw invalid(`unable to parse storage-opt key/value: ${option}`)
  const name = option.slice(0, equals).trim().toLowerCase()
  if (name !== 'overlay2.override_kernel_check') throw invalid(`overlay2: unknown option ${name}`)
}

function notHere(key: string): Failure {
  return invalid(`the following directives are not supported: ${key}`)
}

export function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
