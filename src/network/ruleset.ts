// The firewall of an engine as data: one table whose rules never change; networks and published ports are elements of its sets and maps.
// Isolation, publishing and masquerading stay one lookup each, whatever their number. Pure.
import { createHash } from 'node:crypto'
import type { NetlinkRequest } from '../linux/netlink/message.ts'
import {
  addressIn,
  addressIsLocal,
  addressIsLoopback,
  CT_ESTABLISHED_RELATED,
  CT_STATUS_DNAT,
  conntrackHas,
  dnatToRegisters,
  interfaceIn,
  loadAddress,
  loadDestinationPort,
  loadMeta,
  lookup,
  masquerade,
  verdict,
} from '../linux/netlink/nftables-expressions.ts'
import {
  appendRule,
  createChain,
  createSet,
  createTable,
  type NftChain,
  type NftSet,
} from '../linux/netlink/nftables-messages.ts'

export const SET = {
  /** Names of our bridges. */
  bridges: 'bridges',
  /** Pairs of bridges between which containers may talk: a bridge with itself. */
  connected: 'connected',
  /** protocol . source . destination . port: what links open between containers that may not talk to each other. */
  linked: 'linked',
  /** Every network's addresses. */
  subnets: 'subnets',
  /** Those that leave the host under the host's address. */
  masqueraded: 'masqueraded',
  /** protocol . host address . host port → container address . port */
  published: 'published',
  /** protocol . host port → container address . port: on every address of the host. */
  publishedAny: 'published-any',
} as const

const SETS: readonly NftSet[] = [
  { name: SET.bridges, key: ['ifname'] },
  { name: SET.connected, key: ['ifname', 'ifname'] },
  { name: SET.linked, key: ['inet_proto', 'ipv4_addr', 'ipv4_addr', 'inet_service'] },
  { name: SET.subnets, key: ['ipv4_addr'], isInterval: true },
  { name: SET.masqueraded, key: ['ipv4_addr'], isInterval: true },
  { name: SET.published, key: ['inet_proto', 'ipv4_addr', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
  { name: SET.publishedAny, key: ['inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
]

// Priorities are those that nft calls raw, dstnat, filter and srcnat. Before `raw` is before conntrack: what a packet says there is
// what was on the wire.
const CHAINS: readonly NftChain[] = [
  { name: 'raw-prerouting', type: 'filter', hook: 'prerouting', priority: -300 },
  { name: 'prerouting', type: 'nat', hook: 'prerouting', priority: -100 },
  { name: 'output', type: 'nat', hook: 'output', priority: -100 },
  { name: 'forward', type: 'filter', hook: 'forward', priority: 0 },
  { name: 'postrouting', type: 'nat', hook: 'postrouting', priority: 100 },
]

interface Rule {
  chain: string
  comment: string
  expressions: readonly Buffer[]
}

function rules(): Rule[] {
  const publish = (chain: string): Rule[] => [
    {
      chain,
      comment: 'ports published on one address',
      expressions: [
        ...addressIsLocal('daddr'),
        loadMeta('l4proto'),
        loadAddress('daddr', 9),
        loadDestinationPort(10),
        lookup(SET.published, { into: 1 }),
        dnatToRegisters(),
      ],
    },
    {
      chain,
      comment: 'ports published on every address',
      expressions: [
        ...addressIsLocal('daddr'),
        loadMeta('l4proto'),
        loadDestinationPort(9),
        lookup(SET.publishedAny, { into: 1 }),
        dnatToRegisters(),
      ],
    },
  ]
  return [
    {
      chain: 'raw-prerouting',
      comment: 'route_localnet must not open the loopback to containers',
      expressions: [...interfaceIn('iifname', SET.bridges), ...addressIsLoopback('daddr'), verdict('drop')],
    },
    {
      chain: 'raw-prerouting',
      comment: 'forged loopback source',
      expressions: [...interfaceIn('iifname', SET.bridges), ...addressIsLoopback('saddr'), verdict('drop')],
    },
    {
      chain: 'prerouting',
      // What comes by lo was translated on its way out. Any other packet to 127/8 is a neighbour's, and translating it would take it past
      // the kernel's own check of such addresses.
      comment: 'neighbours stay out of what is published on the loopback',
      expressions: [...addressIsLoopback('daddr'), verdict('accept')],
    },
    ...publish('prerouting'),
    ...publish('output'),
    {
      chain: 'forward',
      comment: 'answers',
      expressions: [
        ...interfaceIn('oifname', SET.bridges),
        ...conntrackHas('state', CT_ESTABLISHED_RELATED),
        verdict('accept'),
      ],
    },
    {
      chain: 'forward',
      comment: 'published ports',
      expressions: [
        ...interfaceIn('oifname', SET.bridges),
        ...conntrackHas('status', CT_STATUS_DNAT),
        verdict('accept'),
      ],
    },
    {
      chain: 'forward',
      comment: 'containers of one network',
      expressions: [loadMeta('iifname'), loadMeta('oifname', 2), lookup(SET.connected), verdict('accept')],
    },
    {
      chain: 'forward',
      comment: 'links between containers of a network that keeps them apart',
      expressions: [
        ...interfaceIn('iifname', SET.bridges),
        ...interfaceIn('oifname', SET.bridges),
        loadMeta('l4proto'),
        loadAddress('saddr', 9),
        loadAddress('daddr', 10),
        loadDestinationPort(11),
        lookup(SET.linked),
        verdict('accept'),
      ],
    },
    {
      chain: 'forward',
      comment: 'other networks, and neighbours that route to unpublished ports',
      expressions: [...interfaceIn('oifname', SET.bridges), verdict('drop')],
    },
    {
      chain: 'postrouting',
      comment: 'the host uses a published port: the answer must come back',
      expressions: [
        ...interfaceIn('oifname', SET.bridges),
        ...conntrackHas('status', CT_STATUS_DNAT),
        ...addressIsLocal('saddr'),
        masquerade(),
      ],
    },
    {
      chain: 'postrouting',
      comment: 'a container uses a port published by its own network',
      expressions: [
        ...interfaceIn('oifname', SET.bridges),
        ...conntrackHas('status', CT_STATUS_DNAT),
        ...addressIn('saddr', SET.subnets),
        masquerade(),
      ],
    },
    {
      chain: 'postrouting',
      comment: 'containers reach the world',
      expressions: [
        ...addressIn('saddr', SET.masqueraded),
        ...interfaceIn('oifname', SET.bridges, false),
        masquerade(),
      ],
    },
  ]
}

/** The messages that create sets, chains and rules in an empty table, and the table with a fingerprint of them as its comment. */
export function tableRequests(table: string): NetlinkRequest[] {
  return [createTable(table, layoutFingerprint(table)), ...contents(table)]
}

/** Changes when the rules or sets of this version differ from those that another version wrote. */
export function layoutFingerprint(table: string): string {
  const hash = createHash('sha256')
  for (const { bytes } of contents(table)) hash.update(bytes)
  return `layout ${hash.digest('hex').slice(0, 16)}`
}

function contents(table: string): NetlinkRequest[] {
  return [
    ...SETS.map((set, index) => createSet(table, set, index + 1)),
    ...CHAINS.map((chain) => createChain(table, chain)),
    ...rules().map((rule) => appendRule(table, rule)),
  ]
}
