// An endpoint's cable: a veth pair from the bridge into a namespace, with address and route at the far end.
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import type { Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../linux/netlink/netlink-socket.ts'
import {
  addAddress,
  addDefaultRoute,
  configureBridgePort,
  createVeth,
  decodeLink,
  disableIpv6Autoconfiguration,
  getLink,
  setLinkUp,
} from '../linux/netlink/route-messages.ts'
import { inNetns } from './in-netns.ts'
import { writeSysctls } from './sysctl.ts'

const NAME_TRIES_MAX = 5

export interface EndpointLink {
  netnsPath: string
  interfaceName: string
  bridgeIndex: number
  mtu: number
  macAddress: string
  address: number
  prefixLength: number
  gateway: number
  sysctls: Readonly<Record<string, string>>
  /** Reaches the host and the world, but no other endpoint of the bridge. */
  isIsolated: boolean
}

/**
 * Returns the name of the host's end. On failure the pair may be left: `undoing` is told its name as soon as it exists.
 * @param host a socket of the host's namespace
 */
export function connectEndpoint(
  kernel: Kernel,
  host: NetlinkSocket,
  link: EndpointLink,
  undoing: (hostInterface: string) => void,
): string {
  const netns = openSync(link.netnsPath, 'r')
  try {
    using inside = inNetns(kernel, netns, () => NetlinkSocket.open(kernel, NETLINK_ROUTE))
    const hostInterface = createPair(host, link, netns)
    undoing(hostInterface)
    const hostIndex = decodeLink(host.query(getLink(hostInterface))).index
    host.perform(
      disableIpv6Autoconfiguration(hostIndex),
      configureBridgePort(hostIndex, { isHairpin: true, isIsolated: link.isIsolated }),
    )
    const index = decodeLink(inside.query(getLink(link.interfaceName))).index
    inside.perform(
      addAddress({ index, address: link.address, prefixLength: link.prefixLength }),
      setLinkUp(index),
      addDefaultRoute({ gateway: link.gateway, index }),
    )
    if (Object.keys(link.sysctls).length > 0) inNetns(kernel, netns, () => writeSysctls(link.sysctls))
    return hostInterface
  } finally {
    closeSync(netns)
  }
}

function createPair(host: NetlinkSocket, link: EndpointLink, netns: number): string {
  for (let attempt = 1; ; attempt++) {
    const name = `veth${randomBytes(4).toString('hex').slice(0, 7)}`
    try {
      const peer = { name: link.interfaceName, mac: link.macAddress, netns }
      host.perform(createVeth({ name, master: link.bridgeIndex, mtu: link.mtu, peer }))
      return name
    } catch (error) {
      if (attempt === NAME_TRIES_MAX || !hasErrno(error, 'EEXIST')) throw error
    }
  }
}
