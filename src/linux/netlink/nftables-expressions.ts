// The expressions that rules are made of: small machines that load registers, compare them, look them up and give a verdict. Pure.
// Registers: 1 and 2 are sixteen bytes wide; 8 and up are the same memory in words of four, so that 9 is the second word of 1.
import { attribute, be32, nested, text, u32 } from './attributes.ts'
import { interfaceName } from './nftables-messages.ts'

const VERDICT_REGISTER = 0
const META = { l4proto: 16, iifname: 6, oifname: 7 } as const
const CT = { state: 0, status: 2 } as const
const FIB_RESULT_ADDRTYPE = 3
const FIB_FLAG = { saddr: 1, daddr: 2 } as const
const RTN_LOCAL = 2
const PAYLOAD_BASE = { network: 1, transport: 2 } as const
const IPV4_OFFSET = { saddr: 12, daddr: 16 } as const
const NAT_DNAT = 1
const NFPROTO_IPV4 = 2
const VERDICT = { drop: 0, accept: 1 } as const
const LOOKUP_INVERTED = 1

/** Conntrack's bits: `established` and `related` of the state, `dnat` of the status. */
export const CT_ESTABLISHED_RELATED = 0x6
export const CT_STATUS_DNAT = 0x20

/** `fib daddr type local`: the packet's address is one of this host's. */
export function addressIsLocal(which: keyof typeof FIB_FLAG): Buffer[] {
  return [
    expression(
      'fib',
      attribute(1, be32(1)),
      attribute(2, be32(FIB_RESULT_ADDRTYPE)),
      attribute(3, be32(FIB_FLAG[which])),
    ),
    compare(1, 'eq', u32(RTN_LOCAL)),
  ]
}

export function loadMeta(key: keyof typeof META, register = 1): Buffer {
  return expression('meta', attribute(1, be32(register)), attribute(2, be32(META[key])))
}

/** The IPv4 header's address. */
export function loadAddress(which: keyof typeof IPV4_OFFSET, register = 1): Buffer {
  return loadPayload(register, PAYLOAD_BASE.network, IPV4_OFFSET[which], 4)
}

/** The destination port, at the same place in TCP, UDP and SCTP. */
export function loadDestinationPort(register: number): Buffer {
  return loadPayload(register, PAYLOAD_BASE.transport, 2, 2)
}

export function interfaceIs(direction: 'iifname' | 'oifname', name: string): Buffer[] {
  return [loadMeta(direction), compare(1, 'eq', interfaceName(name))]
}

/** The interface's name is, or is not, in the set. */
export function interfaceIn(direction: 'iifname' | 'oifname', set: string, isIn = true): Buffer[] {
  return [loadMeta(direction), lookup(set, { isInverted: !isIn })]
}

/** `ip saddr` or `daddr` is in the set. */
export function addressIn(which: keyof typeof IPV4_OFFSET, set: string): Buffer[] {
  return [loadAddress(which), lookup(set)]
}

/** The first byte of the address, for 127.0.0.0/8. */
export function addressIsLoopback(which: keyof typeof IPV4_OFFSET): Buffer[] {
  return [loadPayload(1, PAYLOAD_BASE.network, IPV4_OFFSET[which], 1), compare(1, 'eq', Buffer.from([127]))]
}

/** Any of the bits is set in conntrack's state or status. */
export function conntrackHas(key: keyof typeof CT, bits: number): Buffer[] {
  const zero = u32(0)
  return [
    expression('ct', attribute(1, be32(1)), attribute(2, be32(CT[key]))),
    expression(
      'bitwise',
      attribute(1, be32(1)),
      attribute(2, be32(1)),
      attribute(3, be32(4)),
      nested(4, attribute(1, u32(bits))),
      nested(5, attribute(1, zero)),
    ),
    compare(1, 'neq', zero),
  ]
}

/** Register 1 is in the set; with `into`, the map's value is loaded there. Ends the rule where it is not. */
export function lookup(set: string, options: { into?: number; isInverted?: boolean } = {}): Buffer {
  return expression(
    'lookup',
    attribute(1, text(set)),
    attribute(2, be32(1)),
    ...(options.into === undefined ? [] : [attribute(3, be32(options.into))]),
    ...(options.isInverted ? [attribute(5, be32(LOOKUP_INVERTED))] : []),
  )
}

/** DNAT to the address in register 1 and the port in register 9. */
export function dnatToRegisters(): Buffer {
  return expression(
    'nat',
    attribute(1, be32(NAT_DNAT)),
    attribute(2, be32(NFPROTO_IPV4)),
    attribute(3, be32(1)),
    attribute(5, be32(9)),
  )
}

export function masquerade(): Buffer {
  return expression('masq')
}

export function verdict(kind: keyof typeof VERDICT): Buffer {
  return expression(
    'immediate',
    attribute(1, be32(VERDICT_REGISTER)),
    nested(2, nested(2, attribute(1, be32(VERDICT[kind])))),
  )
}

function compare(register: number, operator: 'eq' | 'neq', data: Buffer): Buffer {
  const operation = operator === 'eq' ? 0 : 1
  return expression('cmp', attribute(1, be32(register)), attribute(2, be32(operation)), nested(3, attribute(1, data)))
}

function loadPayload(register: number, base: number, offset: number, size: number): Buffer {
  return expression(
    'payload',
    attribute(1, be32(register)),
    attribute(2, be32(base)),
    attribute(3, be32(offset)),
    attribute(4, be32(size)),
  )
}

function expression(name: string, ...data: readonly Buffer[]): Buffer {
  return Buffer.concat([attribute(1, text(name)), nested(2, ...data)])
}
