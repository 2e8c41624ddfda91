// A user's name on the host.
import { readTextIfExists } from '../base/atomic-file.ts'

/** `#uid` where the host's own file does not name it, as runc prints it. */
export function ownerName(uid: number): string {
  const line = (readTextIfExists('/etc/passwd') ?? '').split('\n').find((each) => each.split(':')[2] === String(uid))
  return line?.split(':')[0] ?? `#${uid}`
}
