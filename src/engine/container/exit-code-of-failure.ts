// What a container that could not be started reports, told from the text of the runtime's error as Docker does it.
import type { FailureCode } from '../../base/failure.ts'
import { Failure, messageOf } from '../../base/failure.ts'

const NOT_EXECUTABLE = 126
const NOT_FOUND = 127
const UNKNOWN = 128

interface Rule {
  text: string
  exitCode: number
  /** What Docker adds for the reader. */
  suffix?: string
}

/** The first that applies. The client looks for these texts, too, and exits with 126 or 127. */
const RULES: readonly Rule[] = [
  { text: 'permission denied', exitCode: NOT_EXECUTABLE },
  { text: 'is a directory', exitCode: NOT_EXECUTABLE, suffix: ': permission denied' },
  {
    text: 'not a directory',
    exitCode: NOT_FOUND,
    suffix:
      ': Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type',
  },
  { text: 'executable file not found', exitCode: NOT_FOUND },
  { text: 'no such file or directory', exitCode: NOT_FOUND },
]

/** The exit code, and the failure for the client: its fault (400) where the command or a mount is, else 500. */
export function explainRunFailure(subject: string, error: unknown): { exitCode: number; failure: Failure } {
  const text = `${subject}${messageOf(error)}`
  const rule = RULES.find((each) => text.toLowerCase().includes(each.text))
  const code: FailureCode = rule ? 'invalid-argument' : 'unknown'
  const failure = new Failure(code, text + (rule?.suffix ?? ''), { cause: error })
  return { exitCode: rule?.exitCode ?? UNKNOWN, failure }
}
