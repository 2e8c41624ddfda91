// IPv4 addresses as unsigned numbers, and subnets of them.
import { Failure } from '../base/failure.ts'

export interface Subnet {
  /** The network's first address. */
  address: number
  prefixLength: number
}

/** Throws invalid-argument. Go's rules: four decimal parts without leading zeros. */
export function parseIpv4(text: string): number {
  const parts = text.split('.')
  const isValid = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)
  if (!isValid) throw new Failure('invalid-argument', `invalid IP address: ${text}`)
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function isIpv4(text: string): boolean {
  try {
    parseIpv4(text)
    return true
  } catch {
    return false
  }
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

export function encodeIpv4(address: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(address)
  return bytes
}

/** `192.168.5.1/24`: the address as written and the subnet around it. */
export function parseCidr(text: string): { address: number; subnet: Subnet } {
  const [ip = '', prefix = '', ...rest] = text.split('/')
  if (rest.length > 0 || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32)
    throw new Failure('invalid-argument', `invalid CIDR address: ${text}`)
  const address = parseIpv4(ip)
  return { address, subnet: subnetOf(address, Number(prefix)) }
}

export function formatSubnet(subnet: Subnet): string {
  return `${formatIpv4(subnet.address)}/${subnet.prefixLength}`
}

export function subnetOf(address: number, prefixLength: number): Subnet {
  return { address: (address & maskOf(prefixLength)) >>> 0, prefixLength }
}

/** The subnet's last address. */
export function lastAddress(subnet: Subnet): number {
  return (subnet.address | ~maskOf(subnet.prefixLength)) >>> 0
}

export function contains(subnet: Subnet, address: number): boolean {
  return subnetOf(address, subnet.prefixLength).address === subnet.address
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  const wider = a.prefixLength < b.prefixLength ? a : b
  return contains(wider, wider === a ? b.address : a.address)
}

/** The hardware address that Docker gives to an IPv4 address. */
export function macOf(address: number): string {
  const parts = [24, 16, 8, 0].map((shift) => ((address >>> shift) & 255).toString(16).padStart(2, '0'))
  return `02:42:${parts.join(':')}`
}

function maskOf(prefixLength: number): number {
  return prefixLength === 0 ? 0 : (-1 << (32 - prefixLength)) >>> 0
}
