// A container's /etc/hosts and /etc/hostname, byte for byte as Docker writes them. Pure.
import { isIP } from 'node:net'
import { Failure } from '../base/failure.ts'

/** `--add-host name:host-gateway`: whatever address the host has for containers. */
export const HOST_GATEWAY = 'host-gateway'

const LOCALHOST = '127.0.0.1\tlocalhost\n'
const STANDARD = [
  LOCALHOST,
  '::1\tlocalhost ip6-localhost ip6-loopback\n',
  'fe00::0\tip6-localnet\n',
  'ff00::0\tip6-mcastprefix\n',
  'ff02::1\tip6-allnodes\n',
  'ff02::2\tip6-allrouters\n',
].join('')

export interface HostsFileRequest {
  hostname: string
  domainname: string
  /** The container's own, none for a container without a network. */
  addresses: readonly string[]
  /** `name:address` as the API has them. */
  extraHosts: readonly string[]
  /** What `host-gateway` means; more than one where the gateway has IPv6 too. */
  hostGateways: readonly string[]
  /** Of containers that this one is linked to. */
  linked?: readonly HostsEntry[]
}

/** A line of its own. Names with white space in them are left out: they would be more lines, or names. */
export interface HostsEntry {
  address: string
  names: readonly string[]
}

/** Throws invalid-argument for an extra host that names no address. */
export function formatHostsFile(request: HostsFileRequest): string {
  const fqdn = request.domainname === '' ? request.hostname : `${request.hostname}.${request.domainname}`
  const [bare = fqdn] = fqdn.split('.')
  const names = bare === fqdn ? fqdn : `${fqdn} ${bare}`
  const own = request.addresses.map((address) => `${address}\t${names}\n`)
  const linked = (request.linked ?? []).map(
    (entry) => `${entry.address}\t${entry.names.filter((name) => /^\S+$/.test(name)).join(' ')}\n`,
  )
  return [STANDARD, ...extraEntries(request), ...linked, ...own].join('')
}

/** The lines whose first name this is get the address; everything else stays as it is. */
export function replaceHostsAddress(file: string, name: string, address: string): string {
  const isMeant = (names: string) => names.startsWith(name) && /^(?:[\s.]|$)/.test(names.slice(name.length))
  return file
    .split('\n')
    .map((line) => {
      const tab = line.indexOf('\t')
      return tab >= 0 && isMeant(line.slice(tab + 1)) ? `${address}${line.slice(tab)}` : line
    })
    .join('\n')
}

/** For a container in the host's network: the host's own file, or with extra hosts, as Docker has it, a standard one with those. */
export function formatHostNetworkHostsFile(
  hostFile: string,
  request: Pick<HostsFileRequest, 'extraHosts' | 'hostGateways'>,
): string {
  return request.extraHosts.length === 0 ? hostFile : [STANDARD, ...extraEntries(request)].join('')
}

export function formatHostnameFile(hostname: string): string {
  return `${hostname}\n`
}

function extraEntries({ extraHosts, hostGateways }: Pick<HostsFileRequest, 'extraHosts' | 'hostGateways'>): string[] {
  return extraHosts.flatMap((entry) => {
    const { name, address } = parseExtraHost(entry)
    if (address !== HOST_GATEWAY) return [`${address}\t${name}\n`]
    if (hostGateways.length === 0)
      throw new Failure('invalid-argument', 'unable to derive the IP value for host-gateway')
    return hostGateways.map((gateway) => `${gateway}\t${name}\n`)
  })
}

/** The address itself may hold colons, and brackets around them. */
export function parseExtraHost(entry: string): { name: string; address: string } {
  const [, name = '', rawAddress = ''] = /^([^:]+):(.+)$/s.exec(entry) ?? []
  const address = rawAddress.replace(/^\[(.*)\]$/, '$1')
  // A line break in either would add lines to the file.
  if (name === '' || /\s/.test(name)) throw new Failure('invalid-argument', `bad format for add-host: "${entry}"`)
  if (address !== HOST_GATEWAY && isIP(address) === 0)
    throw new Failure('invalid-argument', `invalid IP address in add-host: "${rawAddress}"`)
  return { name, address }
}
