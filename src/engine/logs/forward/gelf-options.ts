// The options of the gelf driver.
import { invalid, parseGoInt } from '../go-values.ts'
import type { LogOptions } from '../log-info.ts'
import { parseUrl, splitHostPort } from './transport-address.ts'

export interface GelfOptions {
  address: { kind: 'udp' | 'tcp'; host: string; port: number }
  /** Over UDP. */
  compression: 'gzip' | 'zlib' | 'none'
  level: number
}

const BEST_SPEED = 1
const COMPRESSIONS = ['gzip', 'zlib', 'none'] as const

/** Of options that were checked. */
export function parseGelfOptions(options: LogOptions): GelfOptions {
  const compression = options['gelf-compression-type'] ?? 'gzip'
  return {
    address: parseAddress(options['gelf-address'] ?? ''),
    compression: COMPRESSIONS.find((each) => each === compression) ?? 'gzip',
    level: Number(options['gelf-compression-level'] ?? BEST_SPEED),
  }
}

/** Throws invalid-argument in Docker's words. */
export function checkGelfOptions(options: LogOptions): void {
  const { kind } = parseAddress(options['gelf-address'] ?? '')
  for (const [key, value] of Object.entries(options)) if (Object.hasOwn(CHECKS, key)) CHECKS[key]?.(value, key, kind)
}

type Check = (value: string, key: string, kind: 'udp' | 'tcp') => void

const CHECKS: Readonly<Record<string, Check>> = {
  'gelf-compression-level': forUdp((value) => isInteger(value) && Number(value) >= -1 && Number(value) <= 9),
  'gelf-compression-type': forUdp((value) => COMPRESSIONS.some((each) => each === value)),
  'gelf-tcp-max-reconnect': checkCount,
  'gelf-tcp-reconnect-delay': checkCount,
}

function forUdp(isRight: (value: string) => boolean): Check {
  return (value, key, kind) => {
    if (kind !== 'udp') throw invalid('compression is only supported on UDP')
    if (!isRight(value))
      throw invalid(`unknown value ${JSON.stringify(value)} for log opt ${JSON.stringify(key)} for gelf log driver`)
  }
}

function checkCount(value: string, key: string, kind: 'udp' | 'tcp'): void {
  if (kind !== 'tcp') throw invalid(`${JSON.stringify(key)} is only valid for TCP`)
  if (!isInteger(value) || Number(value) < 0) throw invalid(`${JSON.stringify(key)} must be a positive integer`)
}

function isInteger(text: string): boolean {
  try {
    parseGoInt(text)
    return true
  } catch {
    return false
  }
}

function parseAddress(text: string): GelfOptions['address'] {
  if (text === '') throw invalid('gelf-address is a required parameter')
  const { scheme, host } = parseUrl(text)
  if (scheme !== 'udp' && scheme !== 'tcp') throw invalid('gelf: endpoint needs to be TCP or UDP')
  const place = splitHostPort(host)
  if (place === undefined) throw invalid('gelf: please provide gelf-address as proto://host:port')
  return { kind: scheme, ...place }
}
