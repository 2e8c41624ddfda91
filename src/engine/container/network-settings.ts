// How a container's place in the network is shown by inspect and list.
import { createHash } from 'node:crypto'
import { Failure } from '../../base/failure.ts'
import type { NetworkDescription } from '../../network/network.ts'
import type { Engine } from '../engine.ts'
import type { ApiVersion } from '../http/route.ts'
import { builtInId } from '../network/list-networks.ts'
import type { Container } from './container.ts'
import { portMap } from './port-bindings.ts'
import { isAlive } from './container-state.ts'

export type NetworkKind = 'bridge' | 'none' | 'host' | 'container'

/** Which namespace the container gets. */
export function networkKind(container: Container): NetworkKind {
  const mode = container.record.hostConfig.NetworkMode ?? 'bridge'
  if (mode === 'none' || mode === 'host') return mode
  return mode.startsWith('container:') ? 'container' : 'bridge'
}

/** A user's network by name or id; there are none but the built-in ones. Throws not-found in Docker's words. */
export function requireNetwork(container: Container, network: NetworkDescription | undefined): void {
  const mode = container.record.hostConfig.NetworkMode ?? 'bridge'
  if (networkKind(container) !== 'bridge' || ['', 'default', 'bridge', network?.name, network?.id].includes(mode))
    return
  throw new Failure('not-found', `failed to set up container networking: network ${mode} not found`)
}

/** The one that the container is in; undefined for one that shares another's. Where there is no bridge network, its name stands there without an id. */
export function networkOf(
  engine: Pick<Engine, 'id' | 'network'>,
  container: Container,
): { id: string; name: string } | undefined {
  const kind = networkKind(container)
  if (kind === 'container') return undefined
  if (kind !== 'bridge') return { id: builtInId(engine, kind), name: kind }
  return engine.network.describe() ?? { id: '', name: kind }
}

/** One network, as `NetworkSettings.Networks` holds it. */
function endpointSettings(container: Container, networkId: string): Record<string, unknown> {
  const { endpoint, hasRun } = container.record
  const isKnown = hasRun || isAlive(container.state)
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: endpoint?.macAddress ?? '',
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: isKnown ? networkId : '',
    EndpointID: endpoint?.endpointId ?? builtInEndpointId(container, networkId),
    Gateway: endpoint?.gateway ?? '',
    IPAddress: endpoint?.address ?? '',
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  }
}

/** A place in the networks host and none is nothing in the kernel; its id is told as long as the container runs, as of any other. */
function builtInEndpointId(container: Container, networkId: string): string {
  if (!isAlive(container.state) || networkKind(container) === 'bridge') return ''
  return createHash('sha256').update(`${networkId} ${container.id}`).digest('hex')
}

export function networksOf(engine: Pick<Engine, 'id' | 'network'>, container: Container): Record<string, unknown> {
  const network = networkOf(engine, container)
  return network === undefined ? {} : { [network.name]: endpointSettings(container, network.id) }
}

export function networkSettings(
  engine: Pick<Engine, 'id' | 'network'>,
  container: Container,
  sandboxPath: string,
  version: ApiVersion,
): Record<string, unknown> {
  const { config, endpoint, state } = { ...container.record }
  const isUp = isAlive(state)
  return {
    SandboxID: isUp ? container.id : '',
    SandboxKey: isUp && networkKind(container) !== 'host' ? sandboxPath : '',
    Ports: isUp ? portMap(config, endpoint) : {},
    ...(version.atLeast('1.52') ? {} : defaultBridgeSettings(container)),
    Networks: networksOf(engine, container),
  }
}

/** Before 1.52 the default bridge's endpoint stands here once more. */
function defaultBridgeSettings({ record: { endpoint } }: Container): Record<string, unknown> {
  return {
    Bridge: '',
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: endpoint?.endpointId ?? '',
    Gateway: endpoint?.gateway ?? '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: endpoint?.address ?? '',
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: '',
    MacAddress: endpoint?.macAddress ?? '',
  }
}
