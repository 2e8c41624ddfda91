// The syslog driver: RFC 3164 and RFC 5424 over UDP, TCP, TLS and unix sockets.
import { hostname } from 'node:os'
import type { Kernel } from '../../../linux/kernel.ts'
import type { LocalEntry } from '../local-entry.ts'
import { DEFAULT_TAG, expandTag, logOptions, type LoggedContainer } from '../log-info.ts'
import { formatNanoseconds } from '../log-time.ts'
import type { ForwardConnection, ForwardDriver } from './forward-driver.ts'
import { parseSyslogOptions, type SyslogOptions } from './syslog-options.ts'
import { connectLocalSyslog, connectTransport } from './transport.ts'

const SEVERITY = { error: 3, info: 6 }
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export interface SyslogLabels {
  hostname: string
  tag: string
  pid: number
}

export function openSyslog(kernel: Kernel, record: LoggedContainer): ForwardDriver {
  const options = parseSyslogOptions(logOptions(record))
  // A tag may have labels of a stranger's image in it: no message of its own, and no end of this one.
  const tag = expandTag(record, DEFAULT_TAG).replace(/[\x00-\x1f\x7f]/g, ' ')
  const labels = { hostname: hostname(), tag, pid: process.pid }
  const { address } = options
  return {
    isNeededAtStart: true,
    async connect(): Promise<ForwardConnection> {
      const transport =
        address === undefined ? await connectLocalSyslog(kernel) : await connectTransport(kernel, address)
      return {
        send: (entries) =>
          transport.send(
            entries.flatMap((entry) => (entry.line.length === 0 ? [] : [encodeSyslog(entry, options, labels)])),
          ),
        close: () => transport.close(),
      }
    },
  }
}

/** The hour of a message is when it was logged, in the host's time zone. */
export function encodeSyslog(entry: LocalEntry, options: SyslogOptions, labels: SyslogLabels): Buffer {
  const priority = options.facility | (entry.isStderr ? SEVERITY.error : SEVERITY.info)
  const content = Buffer.concat([Buffer.from(header(entry, priority, options, labels)), entry.line, Buffer.from('\n')])
  const isCounted = options.address?.kind === 'tls' && options.format.startsWith('rfc5424')
  return isCounted ? Buffer.concat([Buffer.from(`${content.length} `), content]) : content // RFC 5425, section 4.3
}

function header(entry: LocalEntry, priority: number, { format }: SyslogOptions, labels: SyslogLabels): string {
  const { hostname: host, tag, pid } = labels
  const date = new Date(Number(entry.timeNs / 1_000_000n))
  switch (format) {
    case '':
      return `<${priority}>${stamp(date)} ${tag}[${pid}]: `
    case 'rfc3164':
      return `<${priority}>${stamp(date)} ${host} ${tag}[${pid}]: `
    case 'rfc5424':
      return `<${priority}>1 ${localTime(date, '')} ${host} ${tag} ${pid} ${tag} - `
    case 'rfc5424micro':
      return `<${priority}>1 ${localTime(date, formatNanoseconds(entry.timeNs).slice(19, 26))} ${host} ${tag} ${pid} ${tag} - `
  }
}

const two = (value: number) => String(value).padStart(2, '0')
const clockTime = (date: Date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`

/** Go's time.Stamp. */
function stamp(date: Date): string {
  return `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clockTime(date)}`
}

/** RFC 3339 with the host's offset. */
function localTime(date: Date, fraction: string): string {
  const minutes = -date.getTimezoneOffset()
  const offset = `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day}T${clockTime(date)}${fraction}${minutes === 0 ? 'Z' : offset}`
}
