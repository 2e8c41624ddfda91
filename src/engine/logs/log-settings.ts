// A container's logging options as its shim needs them: the file it writes, in which format, and how that is bounded.
import { join } from 'node:path'
import { goJson } from '../../base/go/go-json.ts'
import type { TaskStdio } from '../../containerd/client/stdio-uri.ts'
import { encodeLocalAttributes } from './local-entry.ts'
import { invalid, parseGoBool, parseGoInt, parseGoSize, wrapped } from './go-values.ts'
import { fieldName } from './forward/journald.ts'
import { extraAttributes, fileAttributes, type LoggedContainer, type LogOptions, logOptions } from './log-info.ts'
import { isForwarding } from './log-drivers.ts'

export type LogFormat = 'json-file' | 'local'

/** Where a container's log is read. */
export interface LogPlace {
  path: string
  format: LogFormat
}

/** How large a log becomes where nobody says: Docker's local driver has this bound, and here its json-file has it, too. */
const DEFAULT_SIZE_BYTES = 20 * 1024 * 1024
const DEFAULT_FILES = 5
/** Of shim.h. */
const ATTRIBUTES_MAX = 32 * 1024
/** What a shim is told of: a larger number of either means as much. */
const SIZE_BYTES_MAX = Number.MAX_SAFE_INTEGER
const FILES_MAX = 2 ** 31 - 1

interface Bounds {
  /** 0: none. */
  maxSizeBytes: number
  maxFiles: number
  /** Rotated files are compressed. */
  compresses: boolean
}

/** Undefined: nothing is logged. */
export function logPlace(record: LoggedContainer, directory: string): LogPlace | undefined {
  const driver = record.hostConfig.LogConfig?.Type || 'json-file'
  if (driver === 'none') return undefined
  if (driver === 'json-file') return { path: join(directory, `${record.id}-json.log`), format: 'json-file' }
  if (driver === 'local') return { path: join(directory, 'local-logs', 'container.log'), format: 'local' }
  return { path: join(directory, 'container-cached.log'), format: 'local' }
}

/** Throws invalid-argument in Docker's words: values of options are looked at only when a container starts. */
export function logSettings(record: LoggedContainer, directory: string): TaskStdio['log'] {
  const place = logPlace(record, directory)
  if (place === undefined) return undefined
  const { maxSizeBytes, maxFiles } = logBounds(record)
  // What is read back of a journal's container has the journal's names.
  const isJournal = record.hostConfig.LogConfig?.Type === 'journald'
  const attributes = isJournal ? extraAttributes(record, fieldName) : fileAttributes(record)
  const encoded = encodeAttributes(place.format, attributes)
  if (encoded.length > ATTRIBUTES_MAX)
    throw invalid(`the attributes of log entries are larger than ${ATTRIBUTES_MAX} bytes`)
  return { driver: place.format, path: place.path, maxSizeBytes, maxFiles, attributes: encoded }
}

export function logBounds(record: LoggedContainer): Bounds {
  const options = logOptions(record)
  const driver = record.hostConfig.LogConfig?.Type || 'json-file'
  const { maxSizeBytes, maxFiles, compresses } =
    driver === 'json-file'
      ? jsonFileBounds(options)
      : localBounds(isForwarding(driver) ? cacheOptions(options) : options)
  return {
    maxSizeBytes: Math.min(maxSizeBytes, SIZE_BYTES_MAX),
    maxFiles: Math.min(maxFiles, FILES_MAX),
    compresses,
  }
}

function encodeAttributes(format: LogFormat, attributes: Readonly<Record<string, string>>): Buffer {
  if (format === 'local') return encodeLocalAttributes(attributes)
  return Buffer.from(Object.keys(attributes).length === 0 ? '' : goJson(attributes, true))
}

function jsonFileBounds(options: LogOptions): Bounds {
  const size = options['max-size']
  const isUnbounded = size === '-1'
  const maxSizeBytes = size === undefined ? undefined : isUnbounded ? 0 : parseGoSize(size, 1000)
  if (maxSizeBytes === 0 && !isUnbounded) throw invalid('max-size must be a positive number')
  const files = options['max-file']
  const maxFiles = files === undefined ? undefined : parseGoInt(files)
  if (maxFiles !== undefined && maxFiles < 1) throw invalid('max-file cannot be less than 1')
  const compresses = options['compress'] !== undefined && parseGoBool(options['compress'])
  if (compresses && ((maxFiles ?? 1) === 1 || maxSizeBytes === undefined || isUnbounded))
    throw invalid('compress cannot be true when max-file is less than 2 or max-size is not set')
  return {
    maxSizeBytes: maxSizeBytes ?? DEFAULT_SIZE_BYTES,
    maxFiles: maxFiles ?? (size === undefined ? DEFAULT_FILES : 1),
    compresses,
  }
}

function localBounds(options: LogOptions): Bounds {
  const { 'max-size': size, 'max-file': files, compress } = options
  const maxSizeBytes =
    size === undefined
      ? DEFAULT_SIZE_BYTES
      : wrapped(`invalid value for max-size: ${size}`, () => parseGoSize(size, 1000))
  const maxFiles =
    files === undefined ? DEFAULT_FILES : wrapped(`invalid value for max-file: ${files}`, () => parseGoInt(files))
  const compresses =
    compress === undefined || wrapped('invalid boolean value for compress', () => parseGoBool(compress))
  if (maxFiles < 0) throw invalid('max-file must not be negative')
  if (compresses && maxFiles <= 1) throw invalid('compression cannot be enabled when max file count is 1')
  return { maxSizeBytes, maxFiles: Math.max(1, maxFiles), compresses }
}

/** `cache-max-size` and so on bound the local copy of what is forwarded. */
function cacheOptions(options: LogOptions): LogOptions {
  const PREFIX = 'cache-'
  const own = Object.entries(options).filter(([name]) => name.startsWith(PREFIX))
  return Object.fromEntries(own.map(([name, value]) => [name.slice(PREFIX.length), value]))
}
