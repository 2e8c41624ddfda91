// UDP has no end that connection tracking could see: a client that goes on sending keeps its flow, and with it yesterday's translation.
import { networkInterfaces } from 'node:os'
import type { Kernel } from '../linux/kernel.ts'
import { type Flow, decodeFlow, deleteFlow, listFlows } from '../linux/netlink/conntrack-messages.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../linux/netlink/netlink-socket.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import type { PublishRule } from './firewall.ts'
import { isIpv4, parseIpv4 } from './ipv4.ts'

const IPPROTO_UDP = 17

/**
 * Makes the kernel forget the flows that the rules concern, so that the next packet meets the rules as they are now: those to the
 * published ports of this host, and those that were translated to the endpoint. Does nothing where no rule is of UDP.
 */
export function forgetUdpFlows(kernel: Kernel, rules: readonly PublishRule[]): void {
  const udp = rules.filter(({ protocol }) => protocol === 'udp')
  if (udp.length === 0) return
  const local = new Set(
    Object.values(networkInterfaces()).flatMap((addresses = []) =>
      addresses.flatMap(({ address }) => (isIpv4(address) ? [parseIpv4(address)] : [])),
    ),
  )
  const isConcerned = ({ original, reply }: Flow) =>
    original.protocol === IPPROTO_UDP &&
    udp.some(
      ({ address, hostPort }) =>
        reply.source === address || (original.destinationPort === hostPort && local.has(original.destination)),
    )
  using socket = NetlinkSocket.open(kernel, NETLINK_NETFILTER)
  const flows = socket.dump(listFlows()).flatMap((answer) => decodeFlow(answer) ?? [])
  for (const flow of flows.filter(isConcerned)) {
    try {
      socket.perform(deleteFlow(flow))
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error // it ended meanwhile
    }
  }
}
