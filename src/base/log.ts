// One line per event on standard error, as `key=value` or as JSON: what the original daemons print too.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFormat = 'text' | 'json'
export type LogFields = Record<string, string | number | boolean | undefined>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
/** As the original daemons' log library (logrus) spells it. */
const LEVEL_NAMES: Partial<Record<LogLevel, string>> = { warn: 'warning' }

/** Writes to standard error whatever is at `minimum` or above; a function is asked anew for every line. */
export function createLog(
  minimum: LogLevel | (() => LogLevel),
  write: (line: string) => void = (line) => process.stderr.write(line),
  format: LogFormat = 'text',
): Log {
  const formatLine = format === 'json' ? formatJson : formatText
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(typeof minimum === 'string' ? minimum : minimum()))
      write(formatLine(LEVEL_NAMES[level] ?? level, message, fields))
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** For tests and for callers that report in another way. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

function formatText(level: string, message: string, fields: LogFields = {}): string {
  const pairs = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}=${quote(String(value))}`],
  )
  return `time="${new Date().toISOString()}" level=${level} msg=${quote(message)}${pairs.join('')}\n`
}

/** One object a line, keys in order. A field that is named like one of ours gives way, as in the original. */
function formatJson(level: string, message: string, fields: LogFields = {}): string {
  const given = Object.entries(fields).map(
    ([key, value]) => [RESERVED.has(key) ? `fields.${key}` : key, value] as const,
  )
  const entries = [...given, ['level', level], ['msg', message], ['time', new Date().toISOString()]] as const
  return `${JSON.stringify(Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1))))}\n`
}

const RESERVED = new Set(['level', 'msg', 'time'])

/** What stands bare is what logrus leaves bare. */
function quote(text: string): string {
  return /^[\w./@^+-]+$/.test(text) ? text : JSON.stringify(text)
}
