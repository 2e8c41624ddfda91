// Failures of the file system in Go's words, which callers and people know from runc.
import { messageOf } from '../base/failure.ts'
import { errnoText } from '../linux/kernel-error.ts'

/** `no such file or directory`; the whole text of what is no failure of a system call. */
export function ioReason(error: unknown): string {
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number')
    return errnoText(Math.abs(error.errno))
  return messageOf(error)
}
