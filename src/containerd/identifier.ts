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
      `identifier ${JSON.stringify(text)} greater than maximum length (${LENGTH_MAX} characters): invalid argument`,
    )
  if (!IDENTIFIER.test(text))
    throw new Failure(
      'invalid-argument',
      `identifier ${JSON.stringify(text)} must match ${IDENTIFIER.source}: invalid argument`,
    )
  return text
}

/** Leases are freer: ctr names one after the directory where it mounts an image. Throws `invalid-argument` for what is no name at all. */
export function checkLeaseId(text: string): string {
  if (text === '' || text.includes('\0')) throw new Failure('invalid-argument', 'lease id must be provided')
  return text
}
