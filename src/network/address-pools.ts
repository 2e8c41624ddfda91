// Which subnet a new network gets, and which address of it an endpoint gets.
import { Failure } from '../base/failure.ts'
import { lastAddress, overlaps, parseCidr, type Subnet } from './ipv4.ts'

interface AddressPool {
  base: Subnet
  /** Prefix length of the subnets it is cut into. */
  size: number
}

/** Docker's local default pools, in its order. */
export const DEFAULT_ADDRESS_POOLS: readonly AddressPool[] = [
  pool('172.17.0.0/16', 16),
  pool('172.18.0.0/16', 16),
  pool('172.19.0.0/16', 16),
  pool('172.20.0.0/14', 16),
  pool('172.24.0.0/14', 16),
  pool('172.28.0.0/14', 16),
  pool('192.168.0.0/16', 20),
]

/** The first subnet of the pools that overlaps none of `taken`. Throws resource-exhausted with Docker's words. */
export function chooseSubnet(taken: readonly Subnet[], pools: readonly AddressPool[] = DEFAULT_ADDRESS_POOLS): Subnet {
  for (const candidate of subnetsOf(pools)) if (!taken.some((other) => overlaps(candidate, other))) return candidate
  throw new Failure(
    'resource-exhausted',
    'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network',
  )
}

/** The lowest address that is neither the network's own, the gateway, the broadcast address nor taken. */
export function chooseAddress(subnet: Subnet, gateway: number, taken: ReadonlySet<number>): number {
  for (let address = subnet.address + 1; address < lastAddress(subnet); address++)
    if (address !== gateway && !taken.has(address)) return address
  throw new Failure('resource-exhausted', "no available IPv4 addresses on this network's address pools")
}

function* subnetsOf(pools: readonly AddressPool[]): Generator<Subnet> {
  for (const { base, size } of pools)
    for (let address = base.address; address <= lastAddress(base); address += 2 ** (32 - size))
      yield { address, prefixLength: size }
}

function pool(cidr: string, size: number): AddressPool {
  return { base: parseCidr(cidr).subnet, size }
}
