// The one error class of the tree: a code to decide on, a message for people, a cause.
import { inspect } from 'node:util'

/** gRPC's status codes in kebab-case, plus Docker's `conflict` (409), `not-modified` (304) and `forbidden` (403). */
export type FailureCode =
  | 'cancelled'
  | 'unknown'
  | 'invalid-argument'
  | 'deadline-exceeded'
  | 'not-found'
  | 'already-exists'
  | 'permission-denied'
  | 'resource-exhausted'
  | 'failed-precondition'
  | 'aborted'
  | 'out-of-range'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'data-loss'
  | 'unauthenticated'
  | 'conflict'
  | 'forbidden'
  | 'not-modified'

/** An expected failure of the outside world. Decide on `code`, never on the text. */
export class Failure extends Error {
  readonly code: FailureCode

  constructor(code: FailureCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'Failure'
    this.code = code
  }
}

/** True for a failure of one of the given codes; with no code, for any failure. Works on errors of another copy of this class. */
export function isFailure(error: unknown, ...codes: FailureCode[]): error is Failure {
  if (!(error instanceof Error) || !('code' in error) || error.name !== 'Failure') return false
  return codes.length === 0 || codes.includes(error.code as FailureCode)
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Where it came from, as far as what was thrown tells. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error)
}

/** Adds the subject in front of a failure's text and keeps its code; anything else becomes `internal`. */
export function withSubject(subject: string, error: unknown): Failure {
  const code = isFailure(error) ? error.code : 'internal'
  return new Failure(code, `${subject}: ${messageOf(error)}`, { cause: error })
}

/** Proves to the compiler that every member of a union has been handled. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
