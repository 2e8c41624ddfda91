// Network devices of the host that go into a container (config-linux.md, "Network Devices"): with their addresses, renamed where asked, and up.
import { closeSync, openSync } from 'node:fs'
import { Failure, messageOf } from '../../base/failure.ts'
import { CLONE_NEWNET } from '../../linux/constants.ts'
import type { Fd, Kernel } from '../../linux/kernel.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { attribute, readAttributes, text, u16, u32 } from '../../linux/netlink/attributes.ts'
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, request } from '../../linux/netlink/message.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../../linux/netlink/netlink-socket.ts'
import { decodeLink, getLink, IFF_UP, setLinkUp } from '../../linux/netlink/route-messages.ts'

const RTM_NEWLINK = 16
const RTM_NEWADDR = 20
const RTM_GETADDR = 22
const IFLA_IFNAME = 3
const IFLA_NET_NS_FD = 28
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_BROADCAST = 4
const IFA_FLAGS = 8
const IFA_F_PERMANENT = 0x80
const RT_SCOPE_UNIVERSE = 0
/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
const ADDRESS_HEADER_SIZE = 8

interface Address {
  family: number
  prefixLength: number
  attributes: Map<number, Buffer>
}

/** @param devices by their names on the host. Throws Failure. */
export function moveNetDevices(pid: number, devices: Readonly<Record<string, { name?: string }>>): void {
  const entries = Object.entries(devices)
  if (entries.length === 0) return
  const kernel = openNativeKernel()
  const netns = openSync(`/proc/${pid}/ns/net`, 'r')
  try {
    using host = NetlinkSocket.open(kernel, NETLINK_ROUTE)
    using inside = openInside(kernel, netns)
    for (const [name, device] of entries) {
      try {
        moveDevice({ host, inside, netns }, name, device.name ?? name)
      } catch (error) {
        throw new Failure('invalid-argument', `linux.netDevices.${name}: ${messageOf(error)}`, { cause: error })
      }
    }
  } finally {
    closeSync(netns)
  }
}

interface Way {
  host: NetlinkSocket
  inside: NetlinkSocket
  netns: Fd
}

/** The kernel takes a link down and its addresses away when it changes its namespace. */
function moveDevice({ host, inside, netns }: Way, name: string, newName: string): void {
  const { index } = decodeLink(host.query(getLink(name)))
  const addresses = lastingAddresses(host, index)
  host.perform(setLink(`take ${name} down`, index, 0), moveLink(index, newName, netns))
  const there = decodeLink(inside.query(getLink(newName))).index
  inside.perform(...addresses.map((address) => addAddress(there, address)), setLinkUp(there))
}

/** Those that somebody gave it, and that are valid beyond the link. */
function lastingAddresses(host: NetlinkSocket, wanted: number): Address[] {
  const all = host.dump(request('list addresses', { type: RTM_GETADDR, flags: 0 }, Buffer.alloc(ADDRESS_HEADER_SIZE)))
  return all.flatMap(({ payload }) => {
    const attributes = readAttributes(payload.subarray(ADDRESS_HEADER_SIZE))
    const flags = attributes.get(IFA_FLAGS)?.readUInt32LE(0) ?? payload.readUInt8(2)
    const lasts = (flags & IFA_F_PERMANENT) !== 0 && payload.readUInt8(3) === RT_SCOPE_UNIVERSE
    if (payload.readUInt32LE(4) !== wanted || !lasts) return []
    return [{ family: payload.readUInt8(0), prefixLength: payload.readUInt8(1), attributes }]
  })
}

function addAddress(index: number, { family, prefixLength, attributes }: Address): NetlinkRequest {
  const kept = [IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST].flatMap((type) => {
    const value = attributes.get(type)
    return value === undefined ? [] : [attribute(type, value)]
  })
  return request(
    `add address to link ${index}`,
    { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL },
    Buffer.from([family, prefixLength, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE]),
    u32(index),
    ...kept,
  )
}

function setLink(subject: string, index: number, flags: number, ...attributes: Buffer[]): NetlinkRequest {
  // struct ifinfomsg: family and padding, kind, index, flags, and which of them to change.
  const header = Buffer.concat([u16(0), u16(0), u32(index), u32(flags), u32(IFF_UP)])
  return request(subject, { type: RTM_NEWLINK, flags: 0 }, header, ...attributes)
}

function moveLink(index: number, name: string, netns: Fd): NetlinkRequest {
  const namespace = attribute(IFLA_NET_NS_FD, u32(netns))
  return setLink(`move link ${index}`, index, 0, namespace, attribute(IFLA_IFNAME, text(name)))
}

/** Opened there by this thread, which comes back at once: a socket stays where it was opened. */
function openInside(kernel: Kernel, netns: Fd): NetlinkSocket {
  const own = openSync('/proc/thread-self/ns/net', 'r')
  try {
    kernel.setns(netns, CLONE_NEWNET)
    return NetlinkSocket.open(kernel, NETLINK_ROUTE)
  } finally {
    try {
      kernel.setns(own, CLONE_NEWNET)
    } catch {
      process.abort() // every later socket of this process would be the container's
    }
    closeSync(own)
  }
}
