// The values of the list filters `publish` and `expose`: ports and ranges of them.
import { Failure } from '../../base/failure.ts'

export interface PortRange {
  start: number
  end: number
  protocol: string
}

const PORT_MAX = 65_535
const PROTOCOLS = ['tcp', 'udp', 'sctp']

/** `80`, `80/udp`, `8000-8010/tcp`. Throws in Docker's words, as it does: a failure of its own, not the caller's. */
export function parsePortRange(filter: string, text: string): PortRange {
  if (text.includes(':')) throw new Failure('internal', `filter for '${filter}' should not contain ':': ${text}`)
  const [ports = '', protocol = ''] = text.split('/')
  const refuse = (why: string) => new Failure('internal', `error while looking up for ${filter} ${text}: ${why}`)
  if (ports === '') throw refuse('empty string specified for ports')
  const [first = '', last = first] = ports.split('-')
  const [start, end] = [first, last].map((number) => parsePortNumber(number, refuse))
  if (start === undefined || end === undefined || end < start)
    throw refuse(`invalid range specified for port: ${ports}`)
  if (protocol !== '' && !PROTOCOLS.includes(protocol)) throw refuse(`invalid proto: ${protocol}`)
  return { start, end, protocol: protocol || 'tcp' }
}

export function isInPorts(port: number, protocol: string, ranges: readonly PortRange[]): boolean {
  return ranges.some((range) => range.protocol === protocol && range.start <= port && port <= range.end)
}

function parsePortNumber(text: string, refuse: (why: string) => Failure): number {
  const parsing = `strconv.ParseUint: parsing ${JSON.stringify(text)}`
  if (!/^\d+$/.test(text)) throw refuse(`${parsing}: invalid syntax`)
  if (Number(text) > PORT_MAX) throw refuse(`${parsing}: value out of range`)
  return Number(text)
}
