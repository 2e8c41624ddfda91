// `--network`, plain or `name=…,alias=…`, with the flags that describe the first one: --ip, --network-alias, --link, …
import type { FlagValues } from '../flags.ts'
import { invalid, parseCsv } from './values.ts'

interface Attachment {
  target: string
  aliases: string[]
  driverOptions: Record<string, string>
  links: string[]
  ip: string
  ip6: string
  linkLocalIps: string[]
  mac: string
  gatewayPriority: number
}

const plain = (target: string): Attachment => ({
  ...{ target, aliases: [], driverOptions: {}, links: [], ip: '', ip6: '', linkLocalIps: [], mac: '' },
  gatewayPriority: 0,
})

/** Throws what is wrong with one `--network`. */
export function parseNetwork(text: string): Attachment {
  if (!/\w+=\w+(,\w+=\w+)*/.test(text)) return plain(text)
  const attachment = plain('')
  for (const field of parseCsv(text)) {
    const lower = field.toLowerCase()
    const equals = lower.indexOf('=')
    if (equals <= 0) throw invalid(`invalid field ${field}`)
    setField(attachment, lower.slice(0, equals).trim(), lower.slice(equals + 1).trim())
  }
  if (attachment.target === '') throw invalid('network name/id is not specified')
  return attachment
}

function setField(attachment: Attachment, key: string, value: string): void {
  if (key === 'name') attachment.target = value
  else if (key === 'alias') attachment.aliases.push(value)
  else if (key === 'ip') attachment.ip = value
  else if (key === 'ip6') attachment.ip6 = value
  else if (key === 'mac-address') attachment.mac = value
  else if (key === 'link-local-ip') attachment.linkLocalIps.push(value)
  else if (key === 'driver-opt') {
    const equals = value.indexOf('=')
    if (equals <= 0) throw invalid('invalid key value pair format in driver options')
    attachment.driverOptions[value.slice(0, equals).trim()] = value.slice(equals + 1).trim()
  } else if (key === 'gw-priority') {
    if (!/^[+-]?\d+$/.test(value)) throw invalid(`invalid gw-priority (${value}): invalid syntax`)
    attachment.gatewayPriority = Number(value)
  } else throw invalid(`invalid field key ${key}`)
}

export interface Networks {
  mode: string
  endpoints: Record<string, object | null>
}

/** Throws where flags and the fields of the first network contradict each other. */
export function buildNetworks(flags: FlagValues): Networks {
  const attachments = flags.list('network').map(parseNetwork)
  if (attachments.length === 0) attachments.push(plain('default'))
  const [first] = attachments as [Attachment]
  applyFlags(first, flags)
  const endpoints: Networks['endpoints'] = {}
  for (const attachment of attachments) {
    const endpoint = endpointOf(attachment)
    if (attachment.target in endpoints) throw invalid(`network "${attachment.target}" is specified multiple times`)
    // One network without wishes of its own: NetworkMode says it all.
    const isBare = attachments.length === 1 && Object.keys(endpoint).length === 0
    if (!isBare) endpoints[attachment.target] = endpoint
  }
  const own = attachments.filter(({ target }) => isUserDefined(target)).length
  if (own > 0 && own < attachments.length)
    throw invalid('conflicting options: cannot attach both user-defined and non-user-defined network-modes')
  return { mode: first.target, endpoints }
}

function isUserDefined(target: string): boolean {
  return !['default', 'bridge', 'host', 'none'].includes(target) && !target.startsWith('container:')
}

function applyFlags(first: Attachment, flags: FlagValues): void {
  const conflict = (isTwice: boolean, flag: string, field: string) => {
    if (isTwice) throw invalid(`conflicting options: cannot specify both --${flag} and per-network ${field}`)
  }
  const aliases = flags.list('network-alias')
  const linkLocalIps = flags.list('link-local-ip')
  const [ip, ip6, mac] = [flags.text('ip') ?? '', flags.text('ip6') ?? '', flags.text('mac-address') ?? '']
  conflict(first.aliases.length > 0 && aliases.length > 0, 'network-alias', 'alias')
  conflict(first.ip !== '' && ip !== '', 'ip', 'IPv4 address')
  conflict(first.ip6 !== '' && ip6 !== '', 'ip6', 'IPv6 address')
  conflict(first.mac !== '' && mac !== '', 'mac-address', 'MAC address')
  conflict(first.linkLocalIps.length > 0 && linkLocalIps.length > 0, 'link-local-ip', 'link-local IP addresses')
  if (aliases.length > 0) first.aliases = aliases
  if (linkLocalIps.length > 0) first.linkLocalIps = linkLocalIps
  if (isUserDefined(first.target)) first.links = flags.list('link')
  first.ip ||= ip
  first.ip6 ||= ip6
  first.mac ||= mac
}

const MAC = /^(?:[\da-f]{2}[:-]){5}(?:[\da-f]{2}|(?:[\da-f]{2}[:-]){2}[\da-f]{2})$|^(?:[\da-f]{4}\.){2}[\da-f]{4}$/i

export function checkMac(text: string): void {
  if (!MAC.test(text.trim())) throw invalid(`${text} is not a valid mac address`)
}

function endpointOf(attachment: Attachment): Record<string, unknown> {
  const { target, aliases, links, driverOptions, ip, ip6, linkLocalIps, mac, gatewayPriority } = attachment
  if (target.trim() === '') throw invalid('no name set for network')
  if (!isUserDefined(target) && aliases.length > 0)
    throw invalid('network-scoped aliases are only supported for user-defined networks')
  if (mac !== '') checkMac(mac)
  const hasAddress = ip !== '' || ip6 !== '' || linkLocalIps.length > 0
  const ipam = {
    ...(ip === '' ? {} : { IPv4Address: ip }),
    ...(ip6 === '' ? {} : { IPv6Address: ip6 }),
    ...(linkLocalIps.length > 0 ? { LinkLocalIPs: linkLocalIps } : {}),
  }
  return {
    ...(hasAddress ? { IPAMConfig: ipam } : {}),
    ...(links.length > 0 ? { Links: links } : {}),
    ...(aliases.length > 0 ? { Aliases: aliases } : {}),
    ...(mac === '' ? {} : { MacAddress: mac }),
    ...(Object.keys(driverOptions).length > 0 ? { DriverOpts: driverOptions } : {}),
    ...(gatewayPriority === 0 ? {} : { GwPriority: gatewayPriority }),
  }
}
