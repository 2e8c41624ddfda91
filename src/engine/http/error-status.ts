// The one table from a failure's code to an HTTP status.
import { type FailureCode, isFailure } from '../../base/failure.ts'

const HTTP_STATUS: Record<FailureCode, number> = {
  cancelled: 500,
  unknown: 500,
  'invalid-argument': 400,
  'deadline-exceeded': 500,
  'not-found': 404,
  'already-exists': 409,
  'permission-denied': 403,
  'resource-exhausted': 500,
  'failed-precondition': 400,
  aborted: 500,
  'out-of-range': 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  'data-loss': 500,
  unauthenticated: 401,
  conflict: 409,
  forbidden: 403,
  'not-modified': 304,
}

/** Anything that is not a failure of the outside world is 500. */
export function statusOf(error: unknown): number {
  return isFailure(error) ? HTTP_STATUS[error.code] : 500
}
