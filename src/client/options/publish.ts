// `-p [ip:][host:]container[/protocol]`, single ports and ranges, as docker/go-connections reads them.
import { invalid } from './values.ts'

interface Range {
  start: number
  end: number
}

export interface PublishedPorts {
  exposed: Record<string, object>
  bindings: Record<string, { HostIp: string; HostPort: string }[]>
}

export function parsePublish(publish: readonly string[], expose: readonly string[]): PublishedPorts {
  const bindings: PublishedPorts['bindings'] = {}
  const exposed: Record<string, object> = {}
  for (const entry of publish.map(toShortForm)) {
    for (const { port, binding } of parseEntry(entry)) {
      exposed[port] = {}
      bindings[port] = [...(bindings[port] ?? []), binding]
    }
  }
  for (const entry of expose) {
    if (entry.includes(':')) throw invalid(`invalid port format for --expose: ${entry}`)
    const { port, protocol } = splitProtocol(entry)
    const range = parseRange(port, (why) => `invalid range format for --expose: ${entry}, error: ${why}`)
    for (let number = range.start; number <= range.end; number++) exposed[`${number}/${protocol}`] = {}
  }
  return { exposed, bindings }
}

/** `target=80,published=8080,protocol=udp` means `8080:80/udp`. */
function toShortForm(entry: string): string {
  if (!entry.includes('=')) return entry
  const fields: Record<string, string> = { protocol: 'tcp' }
  for (const field of entry.split(',')) {
    const equals = field.indexOf('=')
    if (equals <= 0) throw invalid(`invalid publish opts format (should be name=value but got '${field}')`)
    fields[field.slice(0, equals)] = field.slice(equals + 1)
  }
  return `${fields['published'] ?? ''}:${fields['target'] ?? ''}/${fields['protocol'] ?? ''}`
}

function splitProtocol(text: string): { port: string; protocol: string } {
  const [port = '', protocol] = text.split('/')
  return { port, protocol: port === '' ? '' : protocol || 'tcp' }
}

function* parseEntry(entry: string): Generator<{ port: string; binding: { HostIp: string; HostPort: string } }> {
  const parts = entry.split(':')
  const { port: inside, protocol } = splitProtocol(parts.at(-1) ?? '')
  const hostText = parts.length > 1 ? (parts.at(-2) ?? '') : ''
  const ip = readAddress(parts.slice(0, -2).join(':'))
  if (inside === '') throw invalid(`no port specified: ${entry}<empty>`)
  const container = parseRange(inside, () => `invalid containerPort: ${inside}`)
  const host = hostText === '' ? undefined : parseRange(hostText, () => `invalid hostPort: ${hostText}`)
  const count = container.end - container.start
  // A range of host ports for one port of the container: the engine takes a free one of them.
  const isChoice = host !== undefined && count === 0 && host.end > host.start
  if (host !== undefined && host.end - host.start !== count && !isChoice)
    throw invalid(`invalid ranges specified for container and host Ports: ${inside} and ${hostText}`)
  if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())) throw invalid(`invalid proto: ${protocol}`)
  for (let offset = 0; offset <= count; offset++) {
    const hostPort = host === undefined ? '' : isChoice ? `${host.start}-${host.end}` : String(host.start + offset)
    yield {
      port: `${container.start + offset}/${protocol.toLowerCase()}`,
      binding: { HostIp: ip, HostPort: hostPort },
    }
  }
}

function readAddress(text: string): string {
  if (text === '') return ''
  const ip = text.replace(/^\[(.*)\]$/, '$1')
  if (!isIpAddress(ip)) throw invalid(`invalid IP address: ${ip}`)
  return ip
}

/** Here rather than from `node:net`, which takes milliseconds to load. */
export function isIpAddress(text: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text))
    return text.split('.').every((part) => Number(part) <= 255 && !/^0\d/.test(part))
  if (!text.includes(':')) return false
  try {
    return new URL(`http://[${text}]`).hostname !== ''
  } catch {
    return false
  }
}

function parseRange(text: string, complain: (why: string) => string): Range {
  const number = (digits: string) => {
    if (!/^\d+$/.test(digits))
      throw invalid(complain(`strconv.ParseUint: parsing ${JSON.stringify(digits)}: invalid syntax`))
    if (Number(digits) > 65535)
      throw invalid(complain(`strconv.ParseUint: parsing ${JSON.stringify(digits)}: value out of range`))
    return Number(digits)
  }
  if (text === '') throw invalid(complain('empty string specified for ports'))
  const [first = '', second = first] = text.split('-')
  const [start, end] = [number(first), number(second)]
  if (end < start) throw invalid(complain(`invalid range specified for port: ${text}`))
  return { start, end }
}
