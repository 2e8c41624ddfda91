// Connection tracking over nfnetlink: list IPv4 flows, and make the kernel forget one. Pure.
import { attribute, be16, nested, readAttributes, u8 } from './attributes.ts'
import { type NetlinkMessage, type NetlinkRequest, request } from './message.ts'

const SUBSYSTEM = 1
const IPCTNL_MSG_CT_GET = 1
const IPCTNL_MSG_CT_DELETE = 2
const AF_INET = 2
const CTA_TUPLE_ORIG = 1
const CTA_TUPLE_REPLY = 2
const CTA_TUPLE = { IP: 1, PROTO: 2 } as const
const CTA_IP = { V4_SRC: 1, V4_DST: 2 } as const
const CTA_PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const

/** One direction; addresses as numbers in host order, ports 0 where the protocol has none. */
export interface FlowTuple {
  protocol: number
  source: number
  destination: number
  sourcePort: number
  destinationPort: number
}

/** `reply` is what answers look like before translation: its source is whom the packets really went to. */
export interface Flow {
  original: FlowTuple
  reply: FlowTuple
  /** The kernel's bytes of `original`, which name the flow. */
  key: Buffer
}

/** For `dump`. */
export function listFlows(): NetlinkRequest {
  return message('list flows', IPCTNL_MSG_CT_GET)
}

/** Undefined for a message that is none. */
export function decodeFlow(answer: NetlinkMessage): Flow | undefined {
  const attributes = readAttributes(answer.payload.subarray(4))
  const key = attributes.get(CTA_TUPLE_ORIG)
  const reply = attributes.get(CTA_TUPLE_REPLY)
  return key && reply && { original: decodeTuple(key), reply: decodeTuple(reply), key }
}

/** The next packet of the flow is a first one: it is looked up in the tables again. */
export function deleteFlow(flow: Flow): NetlinkRequest {
  return message('delete flow', IPCTNL_MSG_CT_DELETE, nested(CTA_TUPLE_ORIG, flow.key))
}

/** The bytes that name a flow, as the kernel gives them. */
export function encodeTuple(tuple: FlowTuple): Buffer {
  const ipv4 = (address: number) => Buffer.from([address >>> 24, address >>> 16, address >>> 8, address])
  return Buffer.concat([
    nested(
      CTA_TUPLE.IP,
      attribute(CTA_IP.V4_SRC, ipv4(tuple.source)),
      attribute(CTA_IP.V4_DST, ipv4(tuple.destination)),
    ),
    nested(
      CTA_TUPLE.PROTO,
      attribute(CTA_PROTO.NUM, u8(tuple.protocol)),
      attribute(CTA_PROTO.SRC_PORT, be16(tuple.sourcePort)),
      attribute(CTA_PROTO.DST_PORT, be16(tuple.destinationPort)),
    ),
  ])
}

function decodeTuple(bytes: Buffer): FlowTuple {
  const tuple = readAttributes(bytes)
  const ip = readAttributes(tuple.get(CTA_TUPLE.IP) ?? Buffer.alloc(0))
  const proto = readAttributes(tuple.get(CTA_TUPLE.PROTO) ?? Buffer.alloc(0))
  return {
    protocol: proto.get(CTA_PROTO.NUM)?.readUInt8(0) ?? 0,
    source: ip.get(CTA_IP.V4_SRC)?.readUInt32BE(0) ?? 0,
    destination: ip.get(CTA_IP.V4_DST)?.readUInt32BE(0) ?? 0,
    sourcePort: proto.get(CTA_PROTO.SRC_PORT)?.readUInt16BE(0) ?? 0,
    destinationPort: proto.get(CTA_PROTO.DST_PORT)?.readUInt16BE(0) ?? 0,
  }
}

function message(subject: string, type: number, ...attributes: readonly Buffer[]): NetlinkRequest {
  return request(subject, { type: (SUBSYSTEM << 8) | type, flags: 0 }, u8(AF_INET), u8(0), be16(0), ...attributes)
}
