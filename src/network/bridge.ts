// A network's bridge: made or found again, with a subnet that nothing else on this host uses.
import { Failure } from '../base/failure.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import type { NetlinkSocket } from '../linux/netlink/netlink-socket.ts'
import {
  addAddress,
  createBridge,
  decodeAddress,
  decodeLink,
  decodeRoute,
  deleteAddress,
  getLink,
  type Link,
  listAddresses,
  listRoutes,
  setLinkUp,
} from '../linux/netlink/route-messages.ts'
import { chooseSubnet } from './address-pools.ts'
import { overlaps, parseCidr, type Subnet, subnetOf } from './ipv4.ts'
import { bridgeMac } from './names.ts'
import { writeSysctl } from './sysctl.ts'

const TRIES_MAX = 20
const RT_TABLE_LOCAL = 255

export interface Bridge {
  name: string
  index: number
  gateway: number
  subnet: Subnet
  isNew: boolean
}

export interface BridgeRequest {
  name: string
  mtu: number
  /** The address to have, whatever there was: daemon.json's `bip`. */
  bip: string | undefined
  /** The subnet and address that an earlier run had, as a CIDR of the gateway. */
  previous: string | undefined
}

/** Idempotent. A bridge that is there keeps its address unless `bip` says another. */
export function ensureBridge(socket: NetlinkSocket, request: BridgeRequest): Bridge {
  const { link, isNew } = findOrCreate(socket, request)
  if (!link.isUp) socket.perform(setLinkUp(link.index))
  // The host has no business with IPv6 on a bridge of an IPv4 network: a container could reach it there past every rule of ours.
  writeSysctl(`net/ipv6/conf/${request.name}/disable_ipv6`, '1', { isOptional: true })
  // Should somebody switch it on, a container's router advertisements still make it nobody's router (CVE-2020-13401).
  writeSysctl(`net/ipv6/conf/${request.name}/accept_ra`, '0', { isOptional: true })
  const gateway =
    isNew || request.bip
      ? settleAddress(socket, link, request)
      : (ownAddress(socket, link) ?? settleAddress(socket, link, request))
  return { name: link.name, index: link.index, gateway: gateway.address, subnet: gateway.subnet, isNew }
}

/** Undefined where there is no such link. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    return decodeLink(socket.query(getLink(name)))
  } catch (error) {
    if (hasErrno(error, 'ENODEV')) return undefined
    throw error
  }
}

function findOrCreate(socket: NetlinkSocket, { name, mtu }: BridgeRequest): { link: Link; isNew: boolean } {
  let isNew = false
  let link = findLink(socket, name)
  if (!link) {
    try {
      socket.perform(createBridge({ name, mac: bridgeMac(name), mtu }))
      isNew = true
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error // somebody else was faster
    }
    link = findLink(socket, name)
  }
  if (link?.kind !== 'bridge') throw new Failure('failed-precondition', `interface ${name} exists and is not a bridge`)
  return { link, isNew }
}

interface Gateway {
  address: number
  subnet: Subnet
}

/**
 * Gives the bridge an address. Two engines may choose the same subnet at the same instant, so each looks again when its own is in the
 * kernel; of two that overlap the one with the younger bridge gives way.
 */
function settleAddress(socket: NetlinkSocket, link: Link, { bip, previous }: BridgeRequest): Gateway {
  const own = ownAddress(socket, link)
  const given = [bip, previous].find((cidr) => cidr !== undefined)
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const taken = takenSubnets(socket, link.index).map(({ subnet }) => subnet)
    const wanted = given === undefined || attempt > 0 ? undefined : parseCidr(given)
    const isUsable = wanted && (bip !== undefined || !taken.some((other) => overlaps(wanted.subnet, other)))
    const gateway = isUsable ? wanted : firstOf(chooseSubnet(taken))
    if (own?.address !== gateway.address || own.subnet.prefixLength !== gateway.subnet.prefixLength) {
      if (own) socket.perform(deleteAddress(interfaceAddress(link, own)))
      socket.perform(addAddress(interfaceAddress(link, gateway)))
    }
    const rivals = takenSubnets(socket, link.index).filter(({ subnet }) => overlaps(subnet, gateway.subnet))
    if (bip !== undefined || !rivals.some(({ index }) => index < link.index)) return gateway
    socket.perform(deleteAddress(interfaceAddress(link, gateway)))
  }
  throw new Failure('unavailable', `bridge ${link.name}: other programs take every subnet that is tried`)
}

function ownAddress(socket: NetlinkSocket, link: Link): Gateway | undefined {
  const found = socket
    .dump(listAddresses())
    .map(decodeAddress)
    .find(({ index }) => index === link.index)
  return found && { address: found.address, subnet: subnetOf(found.address, found.prefixLength) }
}

/** What routes and addresses of other links say is in use. */
function takenSubnets(socket: NetlinkSocket, ownIndex: number): { subnet: Subnet; index: number }[] {
  const routes = socket
    .dump(listRoutes())
    .map(decodeRoute)
    .filter(({ table, prefixLength }) => table !== RT_TABLE_LOCAL && prefixLength > 0)
    .map((route) => ({ subnet: subnetOf(route.destination, route.prefixLength), index: route.index }))
  const addresses = socket
    .dump(listAddresses())
    .map(decodeAddress)
    .map(({ address, prefixLength, index }) => ({ subnet: subnetOf(address, prefixLength), index }))
  return [...routes, ...addresses].filter(({ index }) => index !== ownIndex)
}

function firstOf(subnet: Subnet): Gateway {
  return { address: subnet.address + 1, subnet }
}

function interfaceAddress(link: Link, gateway: Gateway): { index: number; address: number; prefixLength: number } {
  return { index: link.index, address: gateway.address, prefixLength: gateway.subnet.prefixLength }
}
