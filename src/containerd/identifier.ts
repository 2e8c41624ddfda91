// The names that clients may give to namespaces, containers, tasks, leases.
import { Failure } from '../base/failure.ts'

const IDENTIFIER = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/
const LENGTH_MAX = 76

/** containerd's rule. What passes is safe as a file name. */
export function checkIdentifier(text: string): string {
  if (text === '') throw new Failure('invalid-argument', 'identifier must not be empty: invalid argument')
  if (text.length > LENGTH_MAX)
    throw new Failure(
      'invalid-argument',
      `identifier ${JSON.stringify(text.slice(0, LENGTH_MAX))} greater than maximum length (${LENGTH_MAX} characters): invalid argument`,
    )
  if (!IDENTIFIER.test(text))
    throw new Failure(
      'invalid-argument',
      `identifier ${JSON.stringify(text)} must match ${IDENTIFIER.source}: invalid argument`,
    )
  return text
}

/**
 * Leases are freer: original clients end theirs in unpadded base64url of random bytes (`241461440--9qp`), which the rule above refuses
 * now and then. A slash would reach into another lease's keys.
 */
export function checkLeaseId(text: string): string {
  if (text.length > LENGTH_MAX || !/^[\w.:@+=-]+$/.test(text))
    throw new Failure('invalid-argument', `lease id ${JSON.stringify(text.slice(0, LENGTH_MAX))}: invalid argument`)
  return text
}
