// Ports between the API's forms and networking's: what is to be published, and how inspect and list show what is.
import type { ContainerConfig, HostConfig } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'
import type { Endpoint, PortProtocol, PublishRequest } from '../../network/network.ts'

export interface PortBinding {
  HostIp: string
  HostPort: string
}

/** `80/tcp` → what is published there; null: exposed only. */
export type PortMap = Record<string, PortBinding[] | null>

const PROTOCOLS: readonly PortProtocol[] = ['tcp', 'udp', 'sctp']

/** `80`, `80/udp`. */
export function parsePort(text: string): { port: number; protocol: PortProtocol } {
  const [number = '', name = 'tcp'] = text.split('/')
  const protocol = PROTOCOLS.find((each) => each === name.toLowerCase())
  const port = Number(number)
  if (!/^\d{1,5}$/.test(number) || port < 1 || port > 65535 || protocol === undefined)
    throw new Failure('invalid-argument', `invalid port specification: ${JSON.stringify(text)}`)
  return { port, protocol }
}

export function publishRequests(config: ContainerConfig, hostConfig: HostConfig): PublishRequest[] {
  const requests: PublishRequest[] = []
  for (const [key, bindings] of Object.entries(hostConfig.PortBindings ?? {})) {
    const { port, protocol } = parsePort(key)
    for (const binding of bindings ?? []) {
      const { start, end } = parseHostPorts(binding.HostPort ?? '')
      requests.push({
        protocol,
        containerPort: port,
        hostIp: binding.HostIp ?? '',
        hostPort: start,
        hostPortEnd: end,
      })
    }
  }
  if (hostConfig.PublishAllPorts === true) {
    for (const key of Object.keys(config.ExposedPorts ?? {})) {
      const { port, protocol } = parsePort(key)
      if (requests.some((each) => each.containerPort === port && each.protocol === protocol)) continue
      requests.push({ protocol, containerPort: port, hostIp: '', hostPort: 0, hostPortEnd: 0 })
    }
  }
  return requests
}

/** `8080`, `8000-8010`, '' for any. */
function parseHostPorts(text: string): { start: number; end: number } {
  if (text === '') return { start: 0, end: 0 }
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  const start = Number(match?.[1])
  const end = Number(match?.[2] ?? match?.[1])
  if (!match || end > 65535 || end < start)
    throw new Failure('invalid-argument', `invalid port specification: ${JSON.stringify(text)}`)
  return { start, end }
}

/** `NetworkSettings.Ports`: exposed ports are there with null. */
export function portMap(config: ContainerConfig, endpoint: Endpoint | undefined): PortMap {
  const map: PortMap = {}
  if (endpoint === undefined) return map
  for (const key of Object.keys(config.ExposedPorts ?? {})) map[key.includes('/') ? key : `${key}/tcp`] = null
  for (const { hostIp, hostPort, key } of shownPorts(endpoint)) {
    const list = map[key] ?? []
    list.push({ HostIp: hostIp, HostPort: String(hostPort) })
    map[key] = list
  }
  return map
}

export interface PortSummary {
  IP?: string
  PrivatePort: number
  PublicPort?: number
  Type: string
}

/** `Ports` of a list entry. */
export function portSummaries(config: ContainerConfig, endpoint: Endpoint | undefined): PortSummary[] {
  if (endpoint === undefined) return []
  const published = shownPorts(endpoint)
  const exposed = Object.keys(config.ExposedPorts ?? {})
    .map((key) => (key.includes('/') ? key : `${key}/tcp`))
    .filter((key) => published.every((each) => each.key !== key))
    .map((key) => ({ PrivatePort: parsePort(key).port, Type: parsePort(key).protocol }))
  const shown = published.map(({ hostIp, hostPort, containerPort, protocol }) => ({
    IP: hostIp,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: protocol,
  }))
  return [...exposed, ...shown]
}

/** A binding to every address is shown once for IPv4 and once for IPv6. */
function shownPorts(endpoint: Endpoint) {
  return endpoint.ports.flatMap((port) => {
    const shared = {
      key: `${port.containerPort}/${port.protocol}`,
      containerPort: port.containerPort,
      protocol: port.protocol,
      hostPort: port.hostPort,
    }
    const addresses = port.hostIp === '' ? ['0.0.0.0', '::'] : [port.hostIp]
    return addresses.map((hostIp) => ({ ...shared, hostIp }))
  })
}
