// `NetworkingConfig` of a create request: what a container wants of its endpoint, where the network can give it.
import type { ContainerConfig, EndpointSettings, HostConfig, NetworkingConfig } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'

const PREDEFINED = ['default', 'bridge', 'host', 'none']
const MAC_ADDRESS = /^[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}$/

/** The address for the interface, by the container's own field or its network's. Throws invalid-argument. */
export function chooseMacAddress(
  config: ContainerConfig,
  hostConfig: HostConfig,
  networking: NetworkingConfig | null | undefined,
): string | undefined {
  const endpoints = networking?.EndpointsConfig ?? {}
  const reasons = Object.entries(endpoints).flatMap(([name, endpoint]) => {
    const reason = judgeEndpoint(name, endpoint)
    return reason === undefined ? [] : [`invalid config for network ${networkName(name)}: ${reason}`]
  })
  if (reasons.length > 0) throw new Failure('invalid-argument', joinReasons(reasons))
  const mode = networkName(hostConfig.NetworkMode)
  const own = Object.entries(endpoints).find(([name]) => networkName(name) === mode)?.[1]?.MacAddress
  if (own && config.MacAddress && own !== config.MacAddress)
    throw new Failure(
      'invalid-argument',
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
    )
  const chosen = own || config.MacAddress || undefined
  if (chosen !== undefined && !MAC_ADDRESS.test(chosen))
    throw new Failure('invalid-argument', `invalid MAC address: address ${chosen}: invalid MAC address`)
  return chosen
}

/** An empty mode and `default` are the bridge. */
function networkName(mode: string | undefined): string {
  return mode === undefined || mode === '' || mode === 'default' ? 'bridge' : mode
}

function judgeEndpoint(network: string, endpoint: EndpointSettings | null): string | undefined {
  if (endpoint === null) return 'EndpointsConfig is nil'
  if (!PREDEFINED.includes(network) && !network.startsWith('container:')) return undefined // it is missed at the start
  const reasons: string[] = []
  if (endpoint.IPAMConfig?.IPv4Address || endpoint.IPAMConfig?.IPv6Address)
    reasons.push('user-specified IP address is supported on user-defined networks only')
  if ((endpoint.Aliases ?? []).length > 0)
    reasons.push('network-scoped aliases are only supported for user-defined networks')
  return reasons.length === 0 ? undefined : `invalid endpoint settings:\n${joinReasons(reasons)}`
}

/** Several are a list, one is a sentence. */
function joinReasons(reasons: readonly string[]): string {
  if (reasons.length === 1) return reasons[0] ?? ''
  return reasons.map((reason) => `* ${reason.replaceAll('\n', '\n\t')}`).join('\n')
}
