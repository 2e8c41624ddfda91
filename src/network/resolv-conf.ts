// A container's /etc/resolv.conf from the host's. Pure; who reads and writes the files is the engine.
import { isIPv4, isIPv6 } from 'node:net'

export const HOST_RESOLV_CONF = '/etc/resolv.conf'
/** Where systemd-resolved keeps the servers behind its stub at 127.0.0.53. */
export const SYSTEMD_RESOLV_CONF = '/run/systemd/resolve/resolv.conf'
const SYSTEMD_STUB = '127.0.0.53'
const FALLBACK = { ipv4: ['8.8.8.8', '8.8.4.4'], ipv6: ['2001:4860:4860::8888', '2001:4860:4860::8844'] } as const

/** What `--dns`, `--dns-search`, `--dns-opt` or daemon.json say; an empty list is the host's business. */
export interface DnsOverrides {
  nameservers: readonly string[]
  /** A single `.`: no search list at all. */
  searches: readonly string[]
  options: readonly string[]
}

/** The file that holds the host's real nameservers. @param read undefined where there is no such file */
export function hostResolvConf(read: (path: string) => string | undefined): string {
  const own = read(HOST_RESOLV_CONF) ?? ''
  const nameservers = values(own, 'nameserver')
  const isStub = nameservers.length > 0 && nameservers.every((server) => server === SYSTEMD_STUB)
  return (isStub ? read(SYSTEMD_RESOLV_CONF) : undefined) ?? own
}

/**
 * The host's file without nameservers that a container can't reach: loopback ones, and IPv6 ones where it has no IPv6. With none left,
 * Google's public ones as Docker has them. Where anything is overridden the file is written anew.
 */
export function containerResolvConf(
  host: string,
  overrides: DnsOverrides,
  container: { hasIpv6: boolean } = { hasIpv6: false },
): string {
  const reachable = values(host, 'nameserver').filter((server) => isReachable(server, container))
  const fallback = [...FALLBACK.ipv4, ...(container.hasIpv6 ? FALLBACK.ipv6 : [])]
  const nameservers = firstNonEmpty(overrides.nameservers, reachable, fallback)
  const isOverridden = [overrides.nameservers, overrides.searches, overrides.options].some((list) => list.length > 0)
  if (!isOverridden) return filtered(host, nameservers, container)
  const searches = firstNonEmpty(overrides.searches, lastOf(host, 'search'), [])
  const options = firstNonEmpty(overrides.options, lastOf(host, 'options'), [])
  return [
    ...(searches.length === 0 || searches.join(' ') === '.' ? [] : [`search ${searches.join(' ')}\n`]),
    ...nameservers.map((server) => `nameserver ${server}\n`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}\n`]),
  ].join('')
}

/** Keeps comments, searches and options as the host wrote them. */
function filtered(host: string, nameservers: readonly string[], container: { hasIpv6: boolean }): string {
  const kept = host.split('\n').filter((line) => {
    const [keyword, server = ''] = words(line)
    return keyword !== 'nameserver' || isReachable(server, container)
  })
  const text = kept.join('\n').replace(/\n*$/, '')
  const isMissing = !kept.some((line) => words(line)[0] === 'nameserver')
  const added = isMissing ? nameservers.map((server) => `nameserver ${server}`) : []
  return `${[...(text === '' ? [] : [text]), ...added].join('\n')}\n`
}

function isReachable(server: string, { hasIpv6 }: { hasIpv6: boolean }): boolean {
  if (isIPv4(server)) return !server.startsWith('127.')
  const [address = ''] = server.split('%') // fe80::1%eth0 names an interface that the container doesn't have
  return hasIpv6 && isIPv6(address) && address !== '::1' && !server.includes('%')
}

/** All values of a keyword that may be repeated. */
function values(text: string, keyword: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [first, value] = words(line)
    return first === keyword && value !== undefined ? [value] : []
  })
}

/** The values of a keyword of which the last line counts. */
function lastOf(text: string, keyword: string): string[] {
  const lines = text.split('\n').map(words)
  return (
    lines
      .filter(([first]) => first === keyword)
      .at(-1)
      ?.slice(1) ?? []
  )
}

/** resolv.conf(5): `#` and `;` begin a comment. */
function words(line: string): string[] {
  return line
    .replace(/[#;].*$/, '')
    .trim()
    .split(/\s+/)
}

function firstNonEmpty(...lists: readonly (readonly string[])[]): readonly string[] {
  return lists.find((list) => list.length > 0) ?? []
}
