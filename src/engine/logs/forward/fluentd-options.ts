// The options of the fluentd driver.
import { invalid, parseGoBool, parseGoDuration, parseGoSize, wrapped } from '../go-values.ts'
import type { LogOptions } from '../log-info.ts'
import { parseUrl, splitHostPort, type TransportAddress } from './transport-address.ts'

export interface FluentdOptions {
  address: TransportAddress
  /** A start does not wait for the collector. */
  isAsync: boolean
  hasNanoseconds: boolean
  /** The collector confirms each message. */
  wantsAck: boolean
  /** 0: as long as it takes. */
  writeTimeoutMs: number
}

const DEFAULT = { host: '127.0.0.1', port: 24_224 }
const RECONNECT_MS = { min: 100, max: 10_000 }
const TLS = { ca: '', cert: '', key: '', skipsVerification: false }

/**
 * Buffer, retries and their pauses are checked, and have no effect: what was not sent waits in the local copy, as long as that holds it.
 * Throws invalid-argument in Docker's words.
 */
export function parseFluentdOptions(options: LogOptions): FluentdOptions {
  const text = (name: string) => options[`fluentd-${name}`] ?? ''
  const flag = (name: string) => text(name) !== '' && parseGoBool(text(name))
  const address = wrapped(`invalid fluentd-address (${text('address')})`, () => parseAddress(text('address')))
  if (text('buffer-limit') !== '') parseGoSize(text('buffer-limit'), 1024)
  if (text('retry-wait') !== '') parseGoDuration(text('retry-wait'))
  checkRetries(text('max-retries'))
  const isAsync = flag('async')
  checkReconnectInterval(text('async-reconnect-interval'))
  const hasNanoseconds = flag('sub-second-precision')
  const wantsAck = flag('request-ack')
  return { address, isAsync, hasNanoseconds, wantsAck, writeTimeoutMs: parseWriteTimeout(text('write-timeout')) }
}

function checkRetries(text: string): void {
  if (text === '') return
  const fail = (why: string) => invalid(`strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`)
  if (!/^\d+$/.test(text)) throw fail('invalid syntax')
  if (Number(text) >= 2 ** 32) throw fail('value out of range')
  if (Number(text) >= 2 ** 31) throw invalid('invalid fluentd-max-retries: value out of range')
}

function checkReconnectInterval(text: string): void {
  if (text === '') return
  const NAME = 'fluentd-async-reconnect-interval'
  const ms = wrapped(`invalid value for ${NAME}`, () => parseGoDuration(text))
  if (ms !== 0 && (ms < RECONNECT_MS.min || ms > RECONNECT_MS.max))
    throw invalid(`invalid value for ${NAME}: value (${JSON.stringify(text)}) must be between 100ms and 10s`)
}

function parseWriteTimeout(text: string): number {
  if (text === '') return 0
  const subject = 'invalid value for fluentd-write-timeout: value must be a duration'
  const ms = wrapped(subject, () => parseGoDuration(text))
  if (ms < 0) throw invalid(`${subject} that is non-negative`)
  return ms
}

function parseAddress(text: string): TransportAddress {
  if (text === '') return { kind: 'tcp', ...DEFAULT }
  const { scheme, host, path } = parseUrl(text.includes('://') ? text : `tcp://${text}`)
  if (scheme === 'unix') {
    if (/^\/*$/.test(path)) throw invalid('path is empty')
    return { kind: 'unix', path }
  }
  if (scheme !== 'tcp' && scheme !== 'tls') throw invalid(`unsupported scheme: '${scheme}'`)
  if (path !== '') throw invalid('should not contain a path element')
  const port = /:(\d*)$/.exec(host)?.[1]
  if (port !== undefined && Number(port) > 65_535)
    throw invalid(`invalid port: strconv.ParseUint: parsing ${JSON.stringify(port)}: value out of range`)
  const given = splitHostPort(host) ?? { host: host.replace(/^\[|\]$/g, ''), port: 0 }
  const place = { host: given.host || DEFAULT.host, port: given.port || DEFAULT.port }
  return scheme === 'tls' ? { kind: 'tls', ...place, ...TLS } : { kind: 'tcp', ...place }
}
