// A container's logging options as its shim needs them.
import { Failure } from '../../base/failure.ts'
import type { TaskStdio } from '../../containerd/client/stdio-uri.ts'
import type { Container } from './container.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }
const KNOWN = new Set(['max-size', 'max-file', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag', 'mode'])

/** Undefined: nothing is logged. */
export function logSettings(container: Container): TaskStdio['log'] {
  const { Type, Config } = container.record.hostConfig.LogConfig ?? {}
  if (Type === 'none') return undefined
  return { path: container.logPath, ...parseLogOptions(Config ?? {}) }
}

/** Throws invalid-argument in Docker's words. */
export function checkLogConfig(type: string, options: Readonly<Record<string, string>>): void {
  if (type === 'none') return
  if (type !== 'json-file') throw new Failure('invalid-argument', `logger: no log driver named '${type}' is registered`)
  for (const key of Object.keys(options))
    if (!KNOWN.has(key)) throw new Failure('invalid-argument', `unknown log opt '${key}' for json-file log driver`)
  parseLogOptions(options)
}

function parseLogOptions(options: Readonly<Record<string, string>>): { maxSizeBytes: number; maxFiles: number } {
  const size = options['max-size']
  const files = options['max-file']
  if (files !== undefined && !/^\d{1,4}$/.test(files))
    throw new Failure('invalid-argument', `strconv.Atoi: parsing ${JSON.stringify(files)}: invalid syntax`)
  if (files !== undefined && Number(files) < 1) throw new Failure('invalid-argument', `max-file cannot be less than 1`)
  return { maxSizeBytes: size === undefined ? 0 : parseSize(size), maxFiles: Number(files ?? '1') }
}

/** `10m`, `1.5GB`, `4096`; -1 and 0 mean no limit. */
function parseSize(text: string): number {
  if (text === '-1') return 0
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)i?b?$/i.exec(text)
  const unit = match ? UNITS[(match[2] ?? '').toLowerCase()] : undefined
  if (!match || unit === undefined) throw new Failure('invalid-argument', `invalid size: '${text}'`)
  return Math.floor(Number(match[1]) * unit)
}
