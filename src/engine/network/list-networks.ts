// GET /networks and GET /networks/{id}: the three that every engine has.
import { createHash } from 'node:crypto'
import { Failure } from '../../base/failure.ts'
import type { Endpoint } from '../../network/network.ts'
import type { Engine } from '../engine.ts'
import { type Filters, parseFilters } from '../http/filters.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'

const FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']

interface NetworkView {
  Name: string
  Id: string
  Driver: string
  [field: string]: unknown
}

export async function listNetworks(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const filters = checkFilters(parseFilters(request.query))
  const body = allNetworks(engine, request).filter((network) => isWanted(filters, network))
  return { kind: 'json', status: 200, body }
}

export async function inspectNetwork(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.params['id'] ?? ''
  const networks = allNetworks(engine, request)
  const found =
    networks.find((network) => network.Id === name) ??
    networks.find((network) => network.Name === name) ??
    onlyOne(
      networks.filter((network) => name !== '' && network.Id.startsWith(name)),
      name,
    )
  if (!found) throw new Failure('not-found', `network ${name} not found`)
  return { kind: 'json', status: 200, body: { ...found, Containers: found.Name === 'bridge' ? endpoints(engine) : {} } }
}

/** Throws in Docker's words, as it does: of a type that is none it says that it failed itself. */
function checkFilters(filters: Filters): Filters {
  filters.check(FILTERS)
  if (filters.get('dangling').some((value) => !['0', '1', 'false', 'true'].includes(value)))
    throw new Failure(
      'invalid-argument',
      `invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`,
    )
  for (const type of filters.get('type'))
    if (!['builtin', 'custom'].includes(type)) throw new Failure('unknown', `invalid filter: 'type'='${type}'`)
  return filters
}

function onlyOne(found: NetworkView[], name: string): NetworkView | undefined {
  if (found.length > 1)
    throw new Failure('invalid-argument', `network ${name} is ambiguous (${found.length} matches found on ID prefix)`)
  return found[0]
}

function isWanted(filters: Filters, network: NetworkView): boolean {
  return (
    filters.pattern('name', network.Name) &&
    filters.prefix('id', network.Id) &&
    filters.exact('driver', network.Driver) &&
    filters.exact('scope', 'local') &&
    (!filters.has('type') || filters.get('type').includes('builtin')) &&
    filters.labels('label', {}) &&
    (!filters.has('dangling') || !filters.boolean('dangling', false))
  )
}

function allNetworks(engine: Engine, request: ApiRequest): NetworkView[] {
  const bridge = engine.network.describe()
  const { createdAt } = engine.network
  return [
    ...(bridge === undefined
      ? []
      : [
          view(request, {
            Name: 'bridge',
            Id: bridge.id,
            Created: createdAt,
            Driver: 'bridge',
            Config: [{ Subnet: bridge.subnet, Gateway: bridge.gateway }],
            Options: bridgeOptions(engine, bridge.bridge),
          }),
        ]),
    view(request, {
      Name: 'host',
      Id: builtInId(engine, 'host'),
      Created: createdAt,
      Driver: 'host',
      Config: [],
      Options: {},
    }),
    view(request, {
      Name: 'none',
      Id: builtInId(engine, 'none'),
      Created: createdAt,
      Driver: 'null',
      Config: [],
      Options: {},
    }),
  ]
}

function view(
  request: ApiRequest,
  network: {
    Name: string
    Id: string
    Created: string
    Driver: string
    Config: object[]
    Options: Record<string, string>
  },
): NetworkView {
  const { Name, Id, Created, Driver, Config, Options } = network
  return {
    Name,
    Id,
    Created,
    Scope: 'local',
    Driver,
    ...(request.version.atLeast('1.48') ? { EnableIPv4: true } : {}),
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    ...(request.version.atLeast('1.52') ? {} : { Containers: {} }),
    Options,
    Labels: {},
  }
}

function bridgeOptions(engine: Engine, name: string): Record<string, string> {
  const { interContainerCommunication, ipMasq, defaultPublishAddress, mtu } = engine.config
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': String(interContainerCommunication),
    'com.docker.network.bridge.enable_ip_masquerade': String(ipMasq),
    'com.docker.network.bridge.host_binding_ipv4': defaultPublishAddress,
    'com.docker.network.bridge.name': name,
    'com.docker.network.driver.mtu': String(mtu),
  }
}

function endpoints(engine: Engine): Record<string, object> {
  return Object.fromEntries(
    engine.network.endpoints().map((endpoint) => [endpoint.key, endpointView(engine, endpoint)]),
  )
}

function endpointView(engine: Engine, endpoint: Endpoint): object {
  return {
    Name: engine.containers.list().find((container) => container.id === endpoint.key)?.name ?? endpoint.key,
    EndpointID: endpoint.endpointId,
    MacAddress: endpoint.macAddress,
    IPv4Address: `${endpoint.address}/${endpoint.prefixLength}`,
    IPv6Address: '',
  }
}

/** These two have nothing of their own in the kernel or on disk; their ids only have to stay the same. */
export function builtInId(engine: Pick<Engine, 'id'>, name: 'host' | 'none'): string {
  return createHash('sha256').update(`${engine.id}/network/${name}`).digest('hex')
}
