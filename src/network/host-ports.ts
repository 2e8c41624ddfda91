// Host ports: who has which, taken by really listening on them, so that neither we nor anybody else gives one away twice.
import { isIPv4, isIPv6 } from 'node:net'
import { Failure, messageOf } from '../base/failure.ts'
import { ERRNO, errnoText, hasErrno } from '../linux/kernel-error.ts'
import type { PortProtocol, PublishedPort, PublishRequest } from './network.ts'
import { readSysctl } from './sysctl.ts'
import { listenTcp, type PortListener } from './tcp-proxy.ts'

const IPV4_ANY = '0.0.0.0'
const IPV6_ANY = '::'
/** Docker's, where the kernel's can't be read. */
const FALLBACK_RANGE = { first: 49153, last: 65535 }

export interface HostPort extends PublishedPort {
  /** Frees the port. */
  release(): void
}

export interface HostPortOptions {
  /** The container's IPv4 address, to which the listening sockets forward. */
  address: string
  defaultPublishAddress: string
  onError: (error: Error) => void
}

/** `protocol/port` → addresses. Ports belong to the host, so this is the process's, not one network's. */
const allocated = new Map<string, Set<string>>()
/** `protocol` → the ephemeral port given last; the next search starts behind it, as Docker's does. */
const lastEphemeral = new Map<PortProtocol, number>()

/** All or nothing. Throws Failure with Docker's reason, without the subject in front. */
export async function reserveHostPorts(
  requests: readonly PublishRequest[],
  options: HostPortOptions,
): Promise<HostPort[]> {
  const reserved: HostPort[] = []
  try {
    for (const request of requests) reserved.push(...(await reserveOne(request, options)))
    return reserved
  } catch (error) {
    for (const port of reserved) port.release()
    throw error
  }
}

/** The same port on all addresses that the request means: the first candidate that is free. */
async function reserveOne(request: PublishRequest, options: HostPortOptions): Promise<HostPort[]> {
  const addresses = hostAddresses(request.hostIp, options.defaultPublishAddress)
  const isEphemeral = request.hostPort === 0
  let failure = new Failure('internal', 'all ports are allocated')
  for (const port of isEphemeral ? ephemeralPorts(request.protocol) : portsOf(request)) {
    try {
      const reserved = await reserveOnAll(addresses, port, request, options)
      if (isEphemeral) lastEphemeral.set(request.protocol, port)
      return reserved
    } catch (error) {
      if (!(error instanceof PortTaken)) throw error
      if (!isEphemeral) failure = error
    }
  }
  throw failure
}

async function reserveOnAll(
  addresses: readonly string[],
  port: number,
  request: PublishRequest,
  options: HostPortOptions,
): Promise<HostPort[]> {
  const reserved: HostPort[] = []
  try {
    for (const address of addresses) {
      const one = await listen(address, port, request, options)
      if (one) reserved.push(one)
    }
    return reserved
  } catch (error) {
    for (const each of reserved) each.release()
    throw error
  }
}

/** Another candidate may be free. */
class PortTaken extends Failure {}

async function listen(
  hostIp: string,
  hostPort: number,
  { protocol, containerPort, hostIp: askedIp }: PublishRequest,
  options: HostPortOptions,
): Promise<HostPort | undefined> {
  const key = `${protocol}/${hostPort}`
  const owners = allocated.get(key) ?? new Set()
  const printed = isIPv6(hostIp) ? `[${hostIp}]:${hostPort}` : `${hostIp}:${hostPort}`
  if ([...owners].some((owner) => isSameAddress(owner, hostIp)))
    throw new PortTaken('internal', `Bind for ${printed} failed: port is already allocated`)
  owners.add(hostIp)
  allocated.set(key, owners)
  const forget = () => {
    owners.delete(hostIp)
    if (owners.size === 0 && allocated.get(key) === owners) allocated.delete(key)
  }
  try {
    const listener = await openListener(
      protocol,
      { address: hostIp, port: hostPort },
      { address: options.address, port: containerPort },
      options.onError,
    )
    return {
      protocol,
      containerPort,
      hostIp,
      hostPort,
      release() {
        listener.close()
        forget()
      },
    }
  } catch (error) {
    forget()
    // A host without IPv6 publishes on IPv4 alone when nobody asked for more.
    if (askedIp === '' && hostIp === IPV6_ANY && isWithoutIpv6(error)) return undefined
    const message = `failed to bind host port ${printed}/${protocol}: ${reasonOf(error)}`
    throw hasErrno(error, 'EADDRINUSE')
      ? new PortTaken('internal', message, { cause: error })
      : new Failure('internal', message, { cause: error })
  }
}

async function openListener(
  protocol: PortProtocol,
  at: { address: string; port: number },
  target: { address: string; port: number },
  onError: (error: Error) => void,
): Promise<PortListener> {
  switch (protocol) {
    case 'tcp':
      return await listenTcp(at, target, onError)
    case 'udp': {
      const { listenUdp } = await import('./udp-proxy.ts') // rarely wanted, and dgram with it
      return await listenUdp(at, target, onError)
    }
    case 'sctp':
      return { close() {} } // Node has no such sockets: the table alone knows of it
  }
}

/** '' is every address: IPv4's and IPv6's, which Docker reports as two bindings. */
function hostAddresses(hostIp: string, defaultPublishAddress: string): string[] {
  const wanted = hostIp === '' ? defaultPublishAddress : hostIp
  if (wanted === '' || (hostIp === '' && wanted === IPV4_ANY)) return [IPV4_ANY, IPV6_ANY]
  if (!isIPv4(wanted) && !isIPv6(wanted)) throw new Failure('invalid-argument', `invalid IP address: ${wanted}`)
  return [wanted]
}

function isSameAddress(a: string, b: string): boolean {
  if (isIPv6(a) !== isIPv6(b)) return false
  return a === b || [a, b].some((each) => each === IPV4_ANY || each === IPV6_ANY)
}

function* portsOf(request: PublishRequest): Generator<number> {
  for (let port = request.hostPort; port <= Math.max(request.hostPort, request.hostPortEnd); port++) yield port
}

/** The kernel's ephemeral range once around, without what the administrator has reserved. */
function* ephemeralPorts(protocol: PortProtocol): Generator<number> {
  const { first, last } = parsePortRange(readSysctl('net.ipv4.ip_local_port_range'))
  const isReserved = parsePortList(readSysctl('net.ipv4.ip_local_reserved_ports') ?? '')
  const count = last - first + 1
  const start = Math.max(0, (lastEphemeral.get(protocol) ?? first - 1) + 1 - first)
  for (let step = 0; step < count; step++) {
    const port = first + ((start + step) % count)
    if (!isReserved(port)) yield port
  }
}

/** `32768<tab>60999`. */
export function parsePortRange(text: string | undefined): { first: number; last: number } {
  const [first = 0, last = 0] = (text ?? '').split(/\s+/).map(Number)
  return first > 0 && first <= last && last < 65536 ? { first, last } : FALLBACK_RANGE
}

/** `8080,9000-9010` as a question. */
export function parsePortList(text: string): (port: number) => boolean {
  const ranges = text.split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number)
    return Number.isInteger(first) && part !== '' ? [{ first, last }] : []
  })
  return (port) => ranges.some(({ first, last }) => first <= port && port <= last)
}

function isWithoutIpv6(error: unknown): boolean {
  return (
    hasErrno(error, 'EADDRNOTAVAIL') || (error instanceof Error && 'code' in error && error.code === 'EAFNOSUPPORT')
  )
}

function reasonOf(error: unknown): string {
  if (hasErrno(error, 'EADDRNOTAVAIL')) return 'cannot assign requested address'
  const known = Object.values(ERRNO).find(
    (errno) => error instanceof Error && 'errno' in error && error.errno === -errno,
  )
  return known === undefined ? messageOf(error) : errnoText(known)
}
