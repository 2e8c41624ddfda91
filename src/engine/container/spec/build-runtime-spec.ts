// The OCI runtime spec of a container, as dockerd would make it. Pure: what must be looked up is in the input.
import { posix } from 'node:path'
import { Failure } from '../../../base/failure.ts'
import type { LinuxSpec, RuntimeSpec, SeccompSpec } from '../../../oci/runtime-spec.ts'
import { buildDevices, type Devices } from './devices.ts'
import { otherSysctls } from './interface-sysctls.ts'
import { buildMounts } from './mounts.ts'
import { buildProcess, containerCapabilities, containerHostname } from './process-spec.ts'
import { buildResources } from './resources.ts'
import { defaultProfile } from './seccomp-default.ts'
import { filterProfile, parseProfile } from './seccomp-profile.ts'
import { parseSecurityOptions, type SecurityOptions } from './security-options.ts'
import type { IdMap } from '../../userns/id-map.ts'
import type { SpecInput } from './spec-input.ts'

const OCI_VERSION = '1.2.1'

export const DEFAULT_MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]

export const DEFAULT_READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]

/** Throws Failure('invalid-argument') where validateCreate would have, and for what only the image or machine can tell. */
export function buildRuntimeSpec(input: SpecInput): RuntimeSpec {
  const { hostConfig } = input
  const security = parseSecurityOptions(hostConfig.SecurityOpt ?? [], input.defaults)
  const process = buildProcess(input, security)
  const hasUts = hostConfig.UTSMode !== 'host'
  const annotations = hostConfig.Annotations ?? {}
  const devices = buildDevices(input)
  return {
    ociVersion: OCI_VERSION,
    process,
    root: { path: input.rootfsPath, ...(hostConfig.ReadonlyRootfs === true ? { readonly: true } : {}) },
    ...(hasUts ? { hostname: containerHostname(input) } : {}),
    // The sysctl is for the host's root alone.
    ...(hasUts && input.users && input.config.Domainname ? { domainname: input.config.Domainname } : {}),
    mounts: [...buildMounts(input, security), ...devices.binds],
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    linux: buildLinux(input, security, devices),
  }
}

function buildLinux(input: SpecInput, security: SecurityOptions, devices: Devices): LinuxSpec {
  const { hostConfig } = input
  const privileged = hostConfig.Privileged === true
  const seccomp = chooseSeccomp(input, security)
  const sysctl = buildSysctls(input)
  const masked = hostConfig.MaskedPaths ?? [...DEFAULT_MASKED_PATHS, ...input.host.maskedSystemPaths]
  const readonly = hostConfig.ReadonlyPaths ?? [...DEFAULT_READONLY_PATHS]
  return {
    namespaces: buildNamespaces(input),
    ...(input.users ? mappings(input.users.map) : {}),
    ...(devices.nodes.length === 0 ? {} : { devices: devices.nodes }),
    cgroupsPath: cgroupsPath(input),
    resources: { devices: devices.rules, ...buildResources(hostConfig, input.host.findDevices) },
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
    ...(privileged || masked.length === 0 ? {} : { maskedPaths: masked }),
    ...(privileged || readonly.length === 0 ? {} : { readonlyPaths: readonly }),
    ...rootfsPropagation(input),
  }
}

function buildNamespaces(input: SpecInput): NonNullable<LinuxSpec['namespaces']> {
  const { hostConfig, network, pidOf, users } = input
  const namespaces: NonNullable<LinuxSpec['namespaces']> = [{ type: 'mount' }]
  if (users !== undefined) namespaces.push(users.kind === 'new' ? { type: 'user' } : { type: 'user', path: users.path })
  if (network.kind === 'path') namespaces.push({ type: 'network', path: network.path })
  if (network.kind === 'new') namespaces.push({ type: 'network' })
  if (hostConfig.UTSMode !== 'host') namespaces.push({ type: 'uts' })
  const shared = [
    ['pid', hostConfig.PidMode ?? '', pidOf?.pid],
    ['ipc', hostConfig.IpcMode ?? '', pidOf?.ipc],
  ] as const
  for (const [type, mode, pid] of shared) {
    if (mode === 'host') continue
    if (!mode.startsWith('container:')) namespaces.push({ type })
    else if (pid === undefined) throw new Failure('internal', `${type} mode ${mode} without a process to join`)
    else namespaces.push({ type, path: `/proc/${pid}/ns/${type}` })
  }
  if (hasPrivateCgroupns(input)) namespaces.push({ type: 'cgroup' })
  return namespaces
}

function mappings(map: IdMap): Pick<LinuxSpec, 'uidMappings' | 'gidMappings'> {
  return { uidMappings: [...map.uid], gidMappings: [...map.gid] }
}

function hasPrivateCgroupns({ hostConfig, host }: SpecInput): boolean {
  const mode = hostConfig.CgroupnsMode ?? ''
  return mode === 'private' || (mode === '' && host.cgroupVersion === 2)
}

/** `/docker/<id>`, or under the parent that the container or the daemon names. It can't climb out. systemd's form names a slice. */
function cgroupsPath({ id, hostConfig, defaults }: SpecInput): string {
  if (defaults.cgroupDriver === 'systemd')
    return `${hostConfig.CgroupParent || defaults.cgroupParent || 'system.slice'}:docker:${id}`
  const parent = hostConfig.CgroupParent || defaults.cgroupParent || '/docker'
  return posix.join('/', parent, id)
}

/** A user namespace knows only its own groups. */
function unprivilegedNetwork({ users }: SpecInput): Record<string, string> {
  const groups = users?.map.gid.reduce((sum, { size }) => sum + size, 0)
  return {
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': `0 ${groups === undefined ? 2147483647 : Math.min(groups - 1, 2147483647)}`,
  }
}

/** Those of a namespace that the container has for itself; anything else would change the host. */
const IPC_SYSCTLS =
  /^(?:kernel\.(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z_]+)$/

function buildSysctls(input: SpecInput): Record<string, string> {
  const { config, hostConfig } = input
  const ownNetwork = input.network.kind !== 'host'
  const joined = hostConfig.NetworkMode?.startsWith('container:') === true
  for (const name of Object.keys(hostConfig.Sysctls ?? {})) checkSysctl(input, name, ownNetwork)
  return {
    ...(ownNetwork && !joined ? unprivilegedNetwork(input) : {}),
    ...(config.Domainname && hostConfig.UTSMode !== 'host' && input.users === undefined
      ? { 'kernel.domainname': config.Domainname }
      : {}),
    ...(input.network.kind === 'new' ? otherSysctls(hostConfig) : hostConfig.Sysctls),
  }
}

function checkSysctl({ hostConfig }: SpecInput, name: string, ownNetwork: boolean): void {
  // Slashes may stand for dots; both spellings must meet the same rule.
  const key = name.replaceAll('/', '.')
  const isClean = /^[A-Za-z0-9_.-]+$/.test(key) && !key.includes('..')
  if (isClean && key.startsWith('net.')) {
    if (ownNetwork) return
    throw new Failure('invalid-argument', `sysctl "${name}" not allowed in host network namespace`)
  }
  if (isClean && IPC_SYSCTLS.test(key)) {
    if (hostConfig.IpcMode !== 'host') return
    throw new Failure('invalid-argument', `sysctl "${name}" is not allowed in the hosts ipc namespace`)
  }
  if (isClean && key === 'kernel.domainname' && hostConfig.UTSMode !== 'host') return
  throw new Failure('invalid-argument', `sysctl "${name}" is not in a separate kernel namespace`)
}

function chooseSeccomp(input: SpecInput, security: SecurityOptions): SeccompSpec | undefined {
  if (!input.host.hasSeccomp || security.seccomp === 'unconfined') return undefined
  const facts = { arch: input.host.arch, kernel: input.host.kernel, capabilities: containerCapabilities(input) }
  if (security.seccomp !== 'default') return filterProfile(parseProfile(security.seccomp.profile), facts)
  const chosen = input.defaults.seccomp ?? 'builtin'
  if (input.hostConfig.Privileged === true || chosen === 'unconfined') return undefined
  return filterProfile(chosen === 'builtin' ? defaultProfile() : parseProfile(chosen.profile), facts)
}

/** Mount events can only travel through a root file system that lets them. */
function rootfsPropagation({ mounts }: SpecInput): Pick<LinuxSpec, 'rootfsPropagation'> {
  const needed = mounts.map((mount) => (mount.kind === 'bind' ? mount.rootPropagation : undefined))
  const propagation = (['shared', 'rslave'] as const).find((name) => needed.includes(name))
  return propagation === undefined ? {} : { rootfsPropagation: propagation }
}
