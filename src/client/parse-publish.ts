// `-p [ip:][host:]container[/protocol]`, single ports and ranges, as docker/go-connections reads them.
import { Failure } from '../base/failure.ts'

interface Range {
  start: number
  end: number
}

export interface PublishedPorts {
  exposed: Record<string, object> | undefined
  bindings: Record<string, { HostIp: string; HostPort: string }[]>
}

export function parsePublish(publish: readonly string[], expose: readonly string[]): PublishedPorts {
  const bindings: PublishedPorts['bindings'] = {}
  const exposed: Record<string, object> = {}
  for (const entry of publish) {
    for (const { port, binding } of parseEntry(entry)) {
      exposed[port] = {}
      bindings[port] = [...(bindings[port] ?? []), binding]
    }
  }
  for (const entry of expose) {
    const [ports = '', protocol = 'tcp'] = entry.split('/')
    const range = parseRange(ports, `invalid range format for --expose: ${entry}`)
    for (let port = range.start; port <= range.end; port++) exposed[`${port}/${protocol}`] = {}
  }
  return { exposed: Object.keys(exposed).length === 0 ? undefined : exposed, bindings }
}

function* parseEntry(entry: string): Generator<{ port: string; binding: { HostIp: string; HostPort: string } }> {
  const match = /^(?:(?:(\[[^\]]*\]|[^:]*):)?([^:]*):)?([^:/]+)(?:\/(\w+))?$/.exec(entry)
  if (match === null)
    throw new Failure('invalid-argument', `invalid publish opts format (should be name=value but got '${entry}')`)
  const [, ip = '', hostText = '', containerText = '', protocol = 'tcp'] = match
  if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase()))
    throw new Failure('invalid-argument', `invalid proto: ${protocol}`)
  const container = parseRange(containerText, `invalid containerPort: ${containerText}`)
  const host = hostText === '' ? undefined : parseRange(hostText, `invalid hostPort: ${hostText}`)
  const count = container.end - container.start
  if (host !== undefined && host.end - host.start !== count && count > 0)
    throw new Failure(
      'invalid-argument',
      `invalid ranges specified for container and host Ports: ${containerText} and ${hostText}`,
    )
  for (let offset = 0; offset <= count; offset++) {
    const spread = host !== undefined && count === 0 && host.end > host.start
    const hostPort = host === undefined ? '' : spread ? `${host.start}-${host.end}` : String(host.start + offset)
    yield {
      port: `${container.start + offset}/${protocol.toLowerCase()}`,
      binding: { HostIp: ip.replace(/^\[|\]$/g, ''), HostPort: hostPort },
    }
  }
}

function parseRange(text: string, complaint: string): Range {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  const start = Number(match?.[1])
  const end = Number(match?.[2] ?? match?.[1])
  if (match === null || start > 65535 || end > 65535 || end < start) throw new Failure('invalid-argument', complaint)
  return { start, end }
}
