// The options of the syslog driver.
import { statSync } from 'node:fs'
import { invalid } from '../go-values.ts'
import type { LogOptions } from '../log-info.ts'
import { parseUrl, splitHostPort, type TransportAddress } from './transport-address.ts'

export interface SyslogOptions {
  /** Undefined: the host's own syslog. */
  address: TransportAddress | undefined
  /** Shifted, as it stands in a priority. */
  facility: number
  format: '' | 'rfc3164' | 'rfc5424' | 'rfc5424micro'
}

const DEFAULT_PORT = 514
const DAEMON = 3
/** RFC 5424, table 1; in its order, from 0, with nobody's names for 12 to 15. */
const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['', '', '', ''],
  ...['local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
]
const FORMATS = ['', 'rfc3164', 'rfc5424', 'rfc5424micro'] as const

/** Also that there is a socket, where one is named. Throws invalid-argument in Docker's words. */
export function checkSyslogOptions(options: LogOptions): void {
  const { address } = parseSyslogOptions(options)
  if (address !== undefined && 'path' in address && statSync(address.path, { throwIfNoEntry: false }) === undefined)
    throw invalid(`stat ${address.path}: no such file or directory`)
}

/** Throws invalid-argument in Docker's words. */
export function parseSyslogOptions(options: LogOptions): SyslogOptions {
  const address = parseAddress(options['syslog-address'] ?? '', options)
  const facility = parseFacility(options['syslog-facility'] ?? '')
  const format = FORMATS.find((each) => each === (options['syslog-format'] ?? ''))
  if (format === undefined) throw invalid('Invalid syslog format')
  return { address, facility, format }
}

function parseAddress(text: string, options: LogOptions): TransportAddress | undefined {
  if (text === '') return undefined
  const { scheme, host, path } = parseUrl(text)
  if (scheme === 'unix' || scheme === 'unixgram') return { kind: scheme, path }
  if (scheme !== 'udp' && scheme !== 'tcp' && scheme !== 'tcp+tls') throw invalid(`unsupported scheme: '${scheme}'`)
  const place = splitHostPort(host) ?? { host: host.replace(/^\[|\]$/g, ''), port: DEFAULT_PORT }
  if (scheme !== 'tcp+tls') return { kind: scheme, ...place }
  return {
    ...{ kind: 'tls', ...place },
    ca: options['syslog-tls-ca-cert'] ?? '',
    cert: options['syslog-tls-cert'] ?? '',
    key: options['syslog-tls-key'] ?? '',
    skipsVerification: options['syslog-tls-skip-verify'] !== undefined,
  }
}

function parseFacility(text: string): number {
  if (text === '') return DAEMON << 3
  const named = FACILITIES.indexOf(text)
  if (named >= 0) return named << 3
  if (/^\+?\d{1,6}$/.test(text) && Number(text) <= 23) return Number(text) << 3
  throw invalid('invalid syslog facility')
}
