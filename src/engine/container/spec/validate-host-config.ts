// Options that contradict each other or say nothing that a daemon could do, in Docker's words.
import type { ContainerConfig, HostConfig, Ulimit } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import { CAPABILITIES, chooseCapabilities } from './capabilities.ts'
import { parseDeviceRule } from './devices.ts'
import { isShimName } from '../../settings/runtime-setting.ts'
import { validateMount } from './parse-bind.ts'
import { type ResourceFacts, validateResources } from './validate-resources.ts'

export interface ValidationFacts extends ResourceFacts {
  /** Names under `--runtime`. */
  runtimes: readonly string[]
  /** The daemon has an id map. */
  mapsUsers?: boolean
  /** What the daemon can hand on; left out, every capability that exists. */
  capabilities?: readonly string[]
}

/** What contradicts itself whatever the machine is like. Comes before the image is looked for. Throws Failure('invalid-argument'). */
export function validateOptions(config: ContainerConfig, hostConfig: HostConfig, { controls }: ResourceFacts): void {
  checkNetworkMode(config, hostConfig)
  if (hostConfig.UTSMode === 'host' && config.Hostname) refuse('conflicting options: hostname and the UTS mode')
  const { Isolation: isolation = '' } = hostConfig
  if (!['', 'default'].includes(isolation.toLowerCase()))
    refuse(`invalid isolation (${isolation}): linux only supports 'default'`)
  if ((hostConfig.IOMaximumBandwidth ?? 0) !== 0)
    refuse('invalid option: QoS maximum bandwidth configuration is not supported on linux')
  if ((hostConfig.IOMaximumIOps ?? 0) !== 0)
    refuse('invalid option: QoS maximum IOPs configuration is not supported on linux')
  const { CpuRealtimePeriod: period = 0, CpuRealtimeRuntime: runtime = 0, CpuShares: shares = 0 } = hostConfig
  if ((period !== 0 || runtime !== 0) && !controls.cpuRealtime)
    refuse('kernel does not support CPU real-time scheduler')
  if (period !== 0 && runtime > period) refuse('cpu real-time runtime cannot be higher than cpu real-time period')
  if (controls.cpuShares && shares < 0) refuse(`invalid CPU shares (${shares}): value must be a positive integer`)
}

/**
 * What the machine or the daemon has a say in. Throws Failure('invalid-argument'); answers warnings, and takes away from `hostConfig` what they say is
 * discarded.
 */
export function validateHostConfig(hostConfig: HostConfig, facts: ValidationFacts, isUpdate = false): string[] {
  checkRestartPolicy(hostConfig)
  const warnings: string[] = []
  for (const mount of hostConfig.Mounts ?? []) {
    validateMount(mount)
    if (mount.Type === 'image') warnings.push('Image mount is an experimental feature')
  }
  checkExtraHosts(hostConfig)
  checkPorts(hostConfig)
  checkCapabilities(hostConfig, facts)
  if (Object.hasOwn(hostConfig.Annotations ?? {}, ''))
    refuse('invalid Annotations: the empty string is not permitted as an annotation key')
  warnings.push(...validateResources(hostConfig, facts, isUpdate))
  checkModes(hostConfig)
  if (facts.mapsUsers === true && !isUpdate) checkMapped(hostConfig)
  const score = hostConfig.OomScoreAdj ?? 0
  if (score < -1000 || score > 1000) refuse(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`)
  if (hostConfig.NetworkMode === 'host' && Object.keys(hostConfig.PortBindings ?? {}).length > 0)
    warnings.push('Published ports are discarded when using host network mode')
  if (hostConfig.Runtime && !facts.runtimes.includes(hostConfig.Runtime) && !isShimName(hostConfig.Runtime))
    refuse(`unknown or invalid runtime name: ${hostConfig.Runtime}`)
  if (!['', 'host', 'private'].includes(hostConfig.CgroupnsMode ?? ''))
    refuse(`invalid cgroup namespace mode: ${hostConfig.CgroupnsMode}`)
  for (const rule of hostConfig.DeviceCgroupRules ?? []) parseDeviceRule(rule)
  for (const ulimit of hostConfig.Ulimits ?? []) checkUlimit(ulimit)
  return warnings
}

/** What Docker finds out only as it makes the container: the daemon's failure rather than the client's. Throws Failure('unknown'). */
export function validateStorage(hostConfig: HostConfig): void {
  for (const key of Object.keys(hostConfig.StorageOpt ?? {}))
    throw new Failure(
      'unknown',
      // No quota is kept, so none is promised.
      key.toLowerCase() === 'size'
        ? "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
        : `unknown option ${key}`,
    )
}

function checkCapabilities({ CapAdd, CapDrop, Privileged }: HostConfig, facts: ValidationFacts): void {
  chooseCapabilities({
    add: CapAdd ?? [],
    drop: CapDrop ?? [],
    privileged: Privileged === true,
    available: facts.capabilities ?? CAPABILITIES,
  })
}

const NO_LINKS = "can't be used with links. This would result in undefined behavior"

function checkNetworkMode(config: ContainerConfig, hostConfig: HostConfig): void {
  const mode = hostConfig.NetworkMode ?? ''
  const ofContainer = mode === 'container' || mode.startsWith('container:')
  const links = (hostConfig.Links ?? []).length > 0
  if (mode === 'container' || mode === 'container:')
    refuse('invalid network mode: invalid container format container:<name|id>')
  if (mode === 'host' && links) refuse(`conflicting options: host type networking ${NO_LINKS}`)
  if ((mode === 'host' || ofContainer) && config.MacAddress)
    refuse('conflicting options: mac-address and the network mode')
  if (!ofContainer) return
  if (config.Hostname) refuse('conflicting options: hostname and the network mode')
  if (links) refuse(`conflicting options: container type network ${NO_LINKS}`)
  if ((hostConfig.Dns ?? []).length > 0) refuse('conflicting options: dns and the network mode')
  if ((hostConfig.ExtraHosts ?? []).length > 0)
    refuse('conflicting options: custom host-to-IP mapping and the network mode')
  if (Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts === true)
    refuse('conflicting options: port publishing and the container type network mode')
  if (Object.keys(config.ExposedPorts ?? {}).length > 0)
    refuse('conflicting options: port exposing and the container type network mode')
}

const OF_CONTAINER = /^container:[^:]+$/

function checkModes({ IpcMode = '', PidMode = '', UTSMode = '', UsernsMode = '', ShmSize = 0 }: HostConfig): void {
  if (!['', 'none', 'private', 'shareable', 'host'].includes(IpcMode) && !OF_CONTAINER.test(IpcMode))
    refuse(`invalid IPC mode: ${IpcMode}`)
  if (!['', 'host'].includes(PidMode) && !OF_CONTAINER.test(PidMode)) refuse(`invalid PID mode: ${PidMode}`)
  if (ShmSize < 0) refuse('SHM size can not be less than 0')
  if (!['', 'host'].includes(UTSMode)) refuse(`invalid UTS mode: ${UTSMode}`)
  if (!['', 'host'].includes(UsernsMode)) refuse(`invalid USER mode: ${UsernsMode}`)
}

/** What only the host's root may do is nothing for containers whose root is another. */
function checkMapped({ UsernsMode, Privileged, NetworkMode, PidMode }: HostConfig): void {
  if (UsernsMode === 'host') return
  if (Privileged === true)
    refuse(
      'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
    )
  if (NetworkMode === 'host') refuse("cannot share the host's network namespace when user namespaces are enabled")
  if (PidMode === 'host') refuse('cannot share the host PID namespace when user namespaces are enabled')
}

function checkRestartPolicy({ RestartPolicy: policy, AutoRemove: autoRemove }: HostConfig): void {
  const name = policy?.Name ?? ''
  const retries = policy?.MaximumRetryCount ?? 0
  if (autoRemove === true && name !== '' && name !== 'no')
    refuse("can't create 'AutoRemove' container with restart policy")
  switch (name) {
    case 'always':
    case 'unless-stopped':
    case 'no':
    case '':
      if (retries === 0) return
      refuse(
        retries < 0
          ? "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative"
          : "invalid restart policy: maximum retry count can only be used with 'on-failure'",
      )
      break
    case 'on-failure':
      if (retries < 0) refuse('invalid restart policy: maximum retry count cannot be negative')
      return
    default:
      refuse(
        `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
      )
  }
}

function checkExtraHosts(hostConfig: HostConfig): void {
  for (const text of hostConfig.ExtraHosts ?? []) {
    const [, name, address] = /^([^:=]+)[:=](.+)$/.exec(text) ?? []
    if (name === undefined || address === undefined) refuse(`bad format for add-host: ${JSON.stringify(text)}`)
    if (address !== 'host-gateway' && !isAddress(address ?? ''))
      refuse(`invalid IP address in add-host: ${JSON.stringify(address)}`)
  }
}

function isAddress(text: string): boolean {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const octets = bare.split('.')
  if (octets.length === 4) return octets.every((octet) => /^\d{1,3}$/.test(octet) && Number(octet) < 256)
  return bare.includes(':') && /^[0-9a-fA-F:.]+$/.test(bare)
}

const PORT = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/

function checkPorts(hostConfig: HostConfig): void {
  for (const text of Object.keys(hostConfig.PortBindings ?? {})) {
    const [, first = '', last = first, protocol = 'tcp'] = PORT.exec(text) ?? []
    if (first === '' || Number(first) < 1 || Number(last) > 65535 || Number(last) < Number(first))
      refuse(`invalid port specification: ${JSON.stringify(text)}`)
    if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase()))
      refuse(`invalid port specification: ${JSON.stringify(text)}`)
  }
  for (const bindings of Object.values(hostConfig.PortBindings ?? {}))
    for (const { HostPort = '', HostIp = '' } of bindings ?? []) {
      const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(HostPort) ?? []
      if (HostPort !== '' && (first === '' || Number(last) > 65535 || Number(last) < Number(first)))
        refuse(`invalid port specification: ${JSON.stringify(HostPort)}`)
      if (HostIp !== '' && !isAddress(HostIp)) refuse(`invalid IP address: ${HostIp}`)
    }
}

const ULIMITS =
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' ')

function checkUlimit({ Name: name = '', Soft: soft = 0, Hard: hard = 0 }: Ulimit): void {
  if (!ULIMITS.includes(name)) refuse(`invalid ulimit type: ${name}`)
  if (hard !== -1 && (soft === -1 || soft > hard))
    refuse(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`)
}

function refuse(text: string): never {
  throw new Failure('invalid-argument', text)
}
