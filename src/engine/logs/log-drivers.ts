// The logging drivers there are, and which options each takes.
import type { LogConfig } from '../../api/container-types.ts'
import type { LogOptions } from './log-info.ts'
import { parseFluentdOptions } from './forward/fluentd-options.ts'
import { checkGelfOptions } from './forward/gelf-options.ts'
import { checkSyslogOptions } from './forward/syslog-options.ts'
import { invalid, parseGoBool, parseGoSize, wrapped } from './go-values.ts'

const ATTRIBUTE_OPTIONS = ['env', 'env-regex', 'labels', 'labels-regex', 'tag']
const FILE_OPTIONS = [...ATTRIBUTE_OPTIONS, 'compress', 'max-file', 'max-size']

interface LogDriver {
  options: readonly string[]
  unknown(option: string): string
  /** Of values that are refused when a container is made; all others are when it starts. */
  check?(options: LogOptions): void
}

const named = (driver: string) => (option: string) => `unknown log opt '${option}' for ${driver} log driver`

const DRIVERS: Readonly<Record<string, LogDriver>> = {
  fluentd: {
    options: [
      ...ATTRIBUTE_OPTIONS,
      ...['fluentd-address', 'fluentd-async', 'fluentd-async-reconnect-interval', 'fluentd-buffer-limit'],
      ...['fluentd-max-retries', 'fluentd-request-ack', 'fluentd-retry-wait', 'fluentd-sub-second-precision'],
      'fluentd-write-timeout',
    ],
    unknown: named('fluentd'),
    check: parseFluentdOptions,
  },
  gelf: {
    options: [
      ...ATTRIBUTE_OPTIONS,
      ...['gelf-address', 'gelf-compression-level', 'gelf-compression-type', 'gelf-tcp-max-reconnect'],
      'gelf-tcp-reconnect-delay',
    ],
    unknown: (option) => `unknown log opt ${JSON.stringify(option)} for gelf log driver`,
    check: checkGelfOptions,
  },
  journald: { options: ATTRIBUTE_OPTIONS, unknown: named('journald') },
  'json-file': { options: FILE_OPTIONS, unknown: named('json-file') },
  local: { options: FILE_OPTIONS, unknown: (option) => `unknown log opt '${option}' for log driver local` },
  syslog: {
    options: [
      ...ATTRIBUTE_OPTIONS,
      ...['syslog-address', 'syslog-facility', 'syslog-format', 'syslog-tls-ca-cert', 'syslog-tls-cert'],
      ...['syslog-tls-key', 'syslog-tls-skip-verify'],
    ],
    unknown: named('syslog'),
    check: checkSyslogOptions,
  },
}

/** For every driver: how it is buffered, and the local copy of what a driver forwards. */
const COMMON_OPTIONS = new Set([
  ...['mode', 'max-buffer-size', 'cache-disabled'],
  ...FILE_OPTIONS.map((option) => `cache-${option}`),
])

/** Names as `docker info` lists them. `none` is no driver: nothing is logged. */
export const LOG_DRIVERS: readonly string[] = Object.keys(DRIVERS).sort()

/** Drivers that send their container's output elsewhere; what is read back is the local copy. */
export function isForwarding(driver: string): boolean {
  return Object.hasOwn(DRIVERS, driver) && driver !== 'json-file' && driver !== 'local'
}

/** What Docker refuses when a container is made. Throws invalid-argument in Docker's words. */
export function checkLogConfig(driver: string, options: LogOptions): void {
  if (driver === 'none') return
  const mode = options['mode'] ?? ''
  if (mode !== '' && mode !== 'blocking' && mode !== 'non-blocking')
    throw invalid(`logger: logging mode not supported: ${mode}`)
  const bufferSize = options['max-buffer-size']
  if (bufferSize !== undefined) {
    if (mode !== 'non-blocking')
      throw invalid(`logger: max-buffer-size option is only supported with 'mode=non-blocking'`)
    wrapped('error parsing option max-buffer-size', () => parseGoSize(bufferSize, 1024))
  }
  isReadingDisabled(options)
  const known = Object.hasOwn(DRIVERS, driver) ? DRIVERS[driver] : undefined
  if (known === undefined) throw invalid(unknownDriver(driver))
  const own = Object.fromEntries(Object.entries(options).filter(([name]) => !COMMON_OPTIONS.has(name)))
  const refused = Object.keys(own).find((name) => !known.options.includes(name))
  if (driver === 'gelf') known.check?.(own) // says what is wrong with its address before all else
  if (refused !== undefined) throw invalid(known.unknown(refused))
  known.check?.(own)
}

/** Docker looks for a plugin of that name, and there are none here. */
function unknownDriver(driver: string): string {
  return `error looking up logging plugin ${driver}: plugin ${JSON.stringify(driver)} not found`
}

/** `cache-disabled`: nobody may read back what is forwarded. Throws invalid-argument. */
export function isReadingDisabled(options: LogOptions): boolean {
  const text = options['cache-disabled'] ?? ''
  if (text === '') return false
  try {
    return parseGoBool(text)
  } catch {
    throw invalid(`invalid value for option cache-disabled: ${text}`)
  }
}

/**
 * A container's driver and options: its own, what the daemon's default adds for the same driver, and the daemon's options of the local copy.
 * Throws invalid-argument in Docker's words.
 */
export function mergeLogConfig(
  given: LogConfig | undefined,
  defaults: { driver: string; options: LogOptions },
): { Type: string; Config: Record<string, string> } {
  const type = given?.Type || defaults.driver
  const inherited = Object.entries(defaults.options).filter(
    ([name]) => type === defaults.driver || (name.startsWith('cache-') && COMMON_OPTIONS.has(name)),
  )
  const config = { ...Object.fromEntries(inherited), ...given?.Config }
  checkLogConfig(type, config)
  return { Type: type, Config: config }
}
