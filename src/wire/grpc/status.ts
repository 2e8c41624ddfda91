// Failures as gRPC statuses and back, by one table.
import { Failure, type FailureCode, isFailure, messageOf } from '../../base/failure.ts'

const GRPC_STATUS: Record<FailureCode, number> = {
  cancelled: 1,
  unknown: 2,
  'invalid-argument': 3,
  'deadline-exceeded': 4,
  'not-found': 5,
  'already-exists': 6,
  'permission-denied': 7,
  'resource-exhausted': 8,
  'failed-precondition': 9,
  aborted: 10,
  'out-of-range': 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  'data-loss': 15,
  unauthenticated: 16,
  conflict: 9,
  forbidden: 7,
  'not-modified': 9,
}

/** The first of each number: the codes of the Engine API that share one are never made from a status. */
const FAILURE_CODE = new Map<number, FailureCode>()
for (const [code, number] of Object.entries(GRPC_STATUS) as [FailureCode, number][])
  if (!FAILURE_CODE.has(number)) FAILURE_CODE.set(number, code)

/** Trailers may not grow without bound: Go's client refuses more than 16 KiB of headers by default. */
const MESSAGE_BYTES_MAX = 4096

/** The number of an error's status; what is no Failure is `unknown`. */
export function statusNumber(error: unknown): number {
  return isFailure(error) ? GRPC_STATUS[error.code] : GRPC_STATUS.unknown
}

/** Undefined for status 0. */
export function failureOfNumber(status: number, message: string): Failure | undefined {
  return status === 0 ? undefined : new Failure(FAILURE_CODE.get(status) ?? 'unknown', message)
}

/** The trailers that tell a client of an error. */
export function statusTrailers(error: unknown): { 'grpc-status': string; 'grpc-message': string } {
  return { 'grpc-status': String(statusNumber(error)), 'grpc-message': encodeMessage(messageOf(error)) }
}

/** Undefined for status 0. */
export function failureOfStatus(status: string, message: string): Failure | undefined {
  return failureOfNumber(Number(status), decodeMessage(message))
}

/** Percent-encodes what may not stand in a header (PROTOCOL-HTTP2.md, "Status-Message"). */
export function encodeMessage(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text).subarray(0, MESSAGE_BYTES_MAX))
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return encoded
}

/** Malformed escapes stay as they are: an error text is better garbled than lost. */
export function decodeMessage(text: string): string {
  if (!text.includes('%')) return text
  const bytes: number[] = []
  for (let at = 0; at < text.length; at++) {
    const escaped = /^%([0-9a-fA-F]{2})/.exec(text.slice(at, at + 3))
    if (escaped) at += 2
    bytes.push(escaped ? Number.parseInt(escaped[1]!, 16) : text.charCodeAt(at) & 0xff)
  }
  return Buffer.from(bytes).toString('utf8')
}

/** `100m`, `5S`: the grpc-timeout header in milliseconds; undefined where there is none or it makes no sense. */
export function parseTimeout(header: string | undefined): number | undefined {
  const match = header === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(header)
  if (match === null) return undefined
  const unitMs = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }[match[2] as 'H']
  return Number(match[1]) * unitMs
}
