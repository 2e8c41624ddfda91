// How a container's place in the network is shown by inspect and list.
import { Failure } from '../../base/failure.ts'
import type { NetworkDescription } from '../../network/network.ts'
import type { ApiVersion } from '../http/route.ts'
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
export function requireNetwork(container: Container, network: NetworkDescription): void {
  const mode = container.record.hostConfig.NetworkMode ?? 'bridge'
  if (networkKind(container) !== 'bridge' || ['', 'default', 'bridge', network.name, network.id].includes(mode)) return
  throw new Failure('not-found', `failed to set up container networking: network ${mode} not found`)
}

/** One network, as `NetworkSettings.Networks` holds it. */
export function endpointSettings(container: Container, network: NetworkDescription): Record<string, unknown> {
  const { endpoint, hasRun } = container.record
  const isKnown = hasRun || isAlive(container.state)
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: endpoint?.macAddress ?? '',
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: isKnown && networkKind(container) === 'bridge' ? network.id : '',
    EndpointID: endpoint?.endpointId ?? '',
    Gateway: endpoint?.gateway ?? '',
    IPAddress: endpoint?.address ?? '',
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  }
}

export function networksOf(container: Container, network: NetworkDescription): Record<string, unknown> {
  const kind = networkKind(container)
  if (kind === 'container') return {}
  return { [kind === 'bridge' ? network.name : kind]: endpointSettings(container, network) }
}

export function networkSettings(
  container: Container,
  network: NetworkDescription,
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
    Networks: networksOf(container, network),
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
