// Where a repository is looked for: its registry's address, mirrors first, and over which scheme.
import { isIP } from 'node:net'
import type { Reference } from '../../oci/reference.ts'
import { hostName } from '../upstream/host-name.ts'
import type { TlsFiles } from '../upstream/tls-files.ts'

export interface Endpoint {
  /** `http` is tried after `https` where both are allowed. */
  schemes: readonly ('https' | 'http')[]
  /** host[:port]. */
  host: string
  /** Certificates that nobody vouches for are taken. */
  insecure: boolean
  isMirror: boolean
  /** Where its API begins; `/v2` unless somebody configured otherwise. */
  apiPath?: string
  /** Sent with every request to the host. */
  headers?: Readonly<Record<string, string>>
  tls?: TlsFiles
  /** How long a connection may take to be made. */
  dialTimeoutMs?: number
  /** A mirror is told whose repositories are meant (the `ns` parameter). */
  namespace?: string
}

const HUB = 'docker.io'
const HUB_HOST = 'registry-1.docker.io'

export function endpointsOf(
  reference: Reference,
  options: { insecureRegistries: readonly string[]; mirrors: readonly string[] },
): Endpoint[] {
  const mirrors = reference.domain === HUB ? options.mirrors.map(mirrorEndpoint) : []
  return [...mirrors, endpointOf(reference.domain, options.insecureRegistries)]
}

export function endpointOf(domain: string, insecureRegistries: readonly string[]): Endpoint {
  const host = domain === HUB ? HUB_HOST : domain
  const insecure = isInsecure(host, insecureRegistries)
  return { host, insecure, isMirror: false, schemes: insecure ? ['https', 'http'] : ['https'] }
}

/** A mirror's address says its scheme; without one it is https. */
function mirrorEndpoint(address: string): Endpoint {
  const match = /^(https?):\/\/([^/]+)/.exec(address)
  const scheme = match?.[1] === 'http' ? 'http' : 'https'
  return {
    host: match?.[2] ?? address.replace(/\/.*$/s, ''),
    insecure: scheme === 'http',
    isMirror: true,
    schemes: [scheme],
  }
}

/** Loopback always is; others by name, with or without port, or by an address range that holds them. */
export function isInsecure(host: string, insecureRegistries: readonly string[]): boolean {
  if (isLoopback(host)) return true
  const name = hostName(host)
  return insecureRegistries.some(
    (entry) => entry === host || entry === name || (entry.includes('/') && inRange(name, entry)),
  )
}

/** `localhost` or an address of this machine's own, whatever the port. */
export function isLoopback(host: string): boolean {
  const name = hostName(host)
  return name === 'localhost' || inRange(name, '127.0.0.0/8') || inRange(name, '::1/128')
}

function inRange(address: string, range: string): boolean {
  const [network = '', prefix = ''] = range.split('/')
  const kind = isIP(address)
  if (kind === 0 || isIP(network) !== kind) return false
  const bits = Number(prefix)
  return toBits(address, kind).startsWith(toBits(network, kind).slice(0, bits))
}

function toBits(address: string, kind: number): string {
  const octets = address.split('.').map((part) => Number(part).toString(2).padStart(8, '0'))
  if (kind === 4) return octets.join('')
  const [head = '', tail] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length
  return [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail ?? '')]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}
