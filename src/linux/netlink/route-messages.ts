// rtnetlink(7): the messages for links, addresses and routes that networks are made of. Pure.
import { attribute, nested, readAttributes, readText, text, u8, u16, u32 } from './attributes.ts'
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, request } from './message.ts'

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_SETLINK = 19
const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
const RTM_NEWROUTE = 24
const RTM_GETROUTE = 26

const AF_UNSPEC = 0
const AF_INET = 2
const AF_BRIDGE = 7
const AF_INET6 = 10
export const IFF_UP = 1

const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  MASTER: 10,
  PROTINFO: 12,
  LINKINFO: 18,
  AF_SPEC: 26,
  NET_NS_FD: 28,
} as const
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const VETH_INFO_PEER = 1
const IFLA_BRPORT_STATE = 1
const IFLA_BRPORT_MODE = 4 // "hairpin"
const IFLA_BRPORT_FLUSH = 24
const IFLA_BRPORT_ISOLATED = 33
const IFLA_INET6_ADDR_GEN_MODE = 8
const ADDR_GEN_MODE_NONE = 1
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4 } as const
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, TABLE: 15 } as const
const RT_TABLE_MAIN = 254
const RTPROT_BOOT = 3
const RTN_UNICAST = 1

export interface Link {
  index: number
  name: string
  kind: string
  isUp: boolean
  /** Index of the bridge it is a port of, 0 for none. */
  master: number
  mac: string
  mtu: number
}

/** An IPv4 address on an interface; addresses are unsigned numbers in host order. */
export interface InterfaceAddress {
  index: number
  address: number
  prefixLength: number
}

export interface Route {
  destination: number
  prefixLength: number
  /** Index of the outgoing interface, 0 for none. */
  index: number
  table: number
}

/** A bridge that is up. Fails with EEXIST where the name is taken. */
export function createBridge(bridge: { name: string; mac: string; mtu: number }): NetlinkRequest {
  return request(
    `create bridge ${bridge.name}`,
    { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL },
    linkHeader({ index: 0, flags: IFF_UP, change: IFF_UP }),
    attribute(IFLA.IFNAME, text(bridge.name)),
    attribute(IFLA.ADDRESS, encodeMac(bridge.mac)),
    attribute(IFLA.MTU, u32(bridge.mtu)),
    nested(IFLA.LINKINFO, attribute(IFLA_INFO_KIND, text('bridge'))),
  )
}

export interface VethPair {
  name: string
  master: number
  mtu: number
  /** Made directly inside the namespace, so that its name can't clash with the host's. It is down. */
  peer: { name: string; mac: string; netns: number }
}

/** A veth pair whose near end is up and a port of `master`: one message, so that no crash leaves it half-way. */
export function createVeth(pair: VethPair): NetlinkRequest {
  return request(
    `create veth ${pair.name}`,
    { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL },
    linkHeader({ index: 0, flags: IFF_UP, change: IFF_UP }),
    attribute(IFLA.IFNAME, text(pair.name)),
    attribute(IFLA.MTU, u32(pair.mtu)),
    attribute(IFLA.MASTER, u32(pair.master)),
    nested(
      IFLA.LINKINFO,
      attribute(IFLA_INFO_KIND, text('veth')),
      nested(
        IFLA_INFO_DATA,
        nested(
          VETH_INFO_PEER,
          linkHeader({ index: 0, flags: 0, change: 0 }),
          attribute(IFLA.IFNAME, text(pair.peer.name)),
          attribute(IFLA.ADDRESS, encodeMac(pair.peer.mac)),
          attribute(IFLA.MTU, u32(pair.mtu)),
          attribute(IFLA.NET_NS_FD, u32(pair.peer.netns)),
        ),
      ),
    ),
  )
}

export function setLinkUp(index: number): NetlinkRequest {
  return request(
    `set link ${index} up`,
    { type: RTM_NEWLINK, flags: 0 },
    linkHeader({ index, flags: IFF_UP, change: IFF_UP }),
  )
}

/** No IPv6 link-local address appears on this link by itself. */
export function disableIpv6Autoconfiguration(index: number): NetlinkRequest {
  return request(
    `set link ${index} addrgenmode none`,
    { type: RTM_NEWLINK, flags: 0 },
    linkHeader({ index, flags: 0, change: 0 }),
    nested(IFLA.AF_SPEC, nested(AF_INET6, attribute(IFLA_INET6_ADDR_GEN_MODE, u8(ADDR_GEN_MODE_NONE)))),
  )
}

/**
 * `isHairpin` lets the bridge send a frame back out of the port it came from: where bridge-netfilter is on, a container that reaches
 * itself by a published port needs it. Isolated ports reach the bridge, but not each other.
 */
export function configureBridgePort(index: number, port: { isHairpin: boolean; isIsolated: boolean }): NetlinkRequest {
  return bridgePort(
    `configure bridge port ${index}`,
    index,
    attribute(IFLA_BRPORT_MODE, u8(Number(port.isHairpin))),
    attribute(IFLA_BRPORT_ISOLATED, u8(Number(port.isIsolated))),
  )
}

/**
 * The bridge neither forwards to nor learns from this port any more, and forgets what it has learned: at once, where removing the link
 * takes long, and the next endpoint with the same address must not be looked for here.
 */
export function disableBridgePort(index: number): NetlinkRequest {
  return bridgePort(
    `disable bridge port ${index}`,
    index,
    attribute(IFLA_BRPORT_STATE, u8(0)),
    attribute(IFLA_BRPORT_FLUSH),
  )
}

function bridgePort(subject: string, index: number, ...options: readonly Buffer[]): NetlinkRequest {
  const header = linkHeader({ index, flags: 0, change: 0, family: AF_BRIDGE })
  return request(subject, { type: RTM_SETLINK, flags: 0 }, header, nested(IFLA.PROTINFO, ...options))
}

export function deleteLink(target: { index: number } | { name: string }): NetlinkRequest {
  const isNamed = 'name' in target
  return request(
    `delete link ${isNamed ? target.name : target.index}`,
    { type: RTM_DELLINK, flags: 0 },
    linkHeader({ index: isNamed ? 0 : target.index, flags: 0, change: 0 }),
    ...(isNamed ? [attribute(IFLA.IFNAME, text(target.name))] : []),
  )
}

/** Answered by one link, or ENODEV. */
export function getLink(name: string): NetlinkRequest {
  return request(
    `get link ${name}`,
    { type: RTM_GETLINK, flags: 0 },
    linkHeader({ index: 0, flags: 0, change: 0 }),
    attribute(IFLA.IFNAME, text(name)),
  )
}

/** For `dump`. */
export function listLinks(): NetlinkRequest {
  return request('list links', { type: RTM_GETLINK, flags: 0 }, linkHeader({ index: 0, flags: 0, change: 0 }))
}

export function decodeLink(message: NetlinkMessage): Link {
  const attributes = readAttributes(message.payload.subarray(16))
  const info = readAttributes(attributes.get(IFLA.LINKINFO) ?? Buffer.alloc(0))
  return {
    index: message.payload.readInt32LE(4),
    name: readText(attributes.get(IFLA.IFNAME) ?? Buffer.alloc(0)),
    kind: readText(info.get(IFLA_INFO_KIND) ?? Buffer.alloc(0)),
    isUp: (message.payload.readUInt32LE(8) & IFF_UP) !== 0,
    master: attributes.get(IFLA.MASTER)?.readUInt32LE(0) ?? 0,
    mac: formatMac(attributes.get(IFLA.ADDRESS) ?? Buffer.alloc(0)),
    mtu: attributes.get(IFLA.MTU)?.readUInt32LE(0) ?? 0,
  }
}

export function addAddress(wanted: InterfaceAddress): NetlinkRequest {
  const address = ipv4(wanted.address)
  const hostMask = wanted.prefixLength === 0 ? 0xffffffff : 2 ** (32 - wanted.prefixLength) - 1
  return request(
    `add address to link ${wanted.index}`,
    { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL },
    Buffer.from([AF_INET, wanted.prefixLength, 0, 0]),
    u32(wanted.index),
    attribute(IFA.LOCAL, address),
    attribute(IFA.ADDRESS, address),
    ...(wanted.prefixLength < 31 ? [attribute(IFA.BROADCAST, ipv4((wanted.address | hostMask) >>> 0))] : []),
  )
}

export function deleteAddress(unwanted: InterfaceAddress): NetlinkRequest {
  return request(
    `delete address of link ${unwanted.index}`,
    { type: RTM_DELADDR, flags: 0 },
    Buffer.from([AF_INET, unwanted.prefixLength, 0, 0]),
    u32(unwanted.index),
    attribute(IFA.LOCAL, ipv4(unwanted.address)),
  )
}

/** For `dump`: IPv4 addresses of all interfaces. */
export function listAddresses(): NetlinkRequest {
  return request('list addresses', { type: RTM_GETADDR, flags: 0 }, Buffer.from([AF_INET, 0, 0, 0]), u32(0))
}

export function decodeAddress(message: NetlinkMessage): InterfaceAddress {
  const attributes = readAttributes(message.payload.subarray(8))
  return {
    index: message.payload.readUInt32LE(4),
    address: (attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS))?.readUInt32BE(0) ?? 0,
    prefixLength: message.payload.readUInt8(1),
  }
}

export function addDefaultRoute(route: { gateway: number; index: number }): NetlinkRequest {
  return request(
    `add default route by link ${route.index}`,
    { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL },
    Buffer.from([AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST]),
    u32(0),
    attribute(RTA.GATEWAY, ipv4(route.gateway)),
    attribute(RTA.OIF, u32(route.index)),
  )
}

/** For `dump`: IPv4 routes of all tables. */
export function listRoutes(): NetlinkRequest {
  return request('list routes', { type: RTM_GETROUTE, flags: 0 }, Buffer.from([AF_INET, 0, 0, 0, 0, 0, 0, 0]), u32(0))
}

export function decodeRoute(message: NetlinkMessage): Route {
  const attributes = readAttributes(message.payload.subarray(12))
  return {
    destination: attributes.get(RTA.DST)?.readUInt32BE(0) ?? 0,
    prefixLength: message.payload.readUInt8(1),
    index: attributes.get(RTA.OIF)?.readUInt32LE(0) ?? 0,
    table: attributes.get(RTA.TABLE)?.readUInt32LE(0) ?? message.payload.readUInt8(4),
  }
}

function linkHeader(link: { index: number; flags: number; change: number; family?: number }): Buffer {
  return Buffer.concat([
    u8(link.family ?? AF_UNSPEC),
    u8(0),
    u16(0),
    u32(link.index),
    u32(link.flags),
    u32(link.change),
  ])
}

function ipv4(address: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(address)
  return bytes
}

function encodeMac(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}

function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}
