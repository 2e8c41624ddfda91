// Signals by name or number, as kill(1) and callers write them.
import { Failure } from '../base/failure.ts'

/** The standard ones of signal(7), by number from 1; x86_64 and aarch64 agree. */
const NAMES =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'

/** `SIGTERM` to 15. */
export const SIGNALS: ReadonlyMap<string, number> = new Map(
  NAMES.split(' ').map((name, index) => [`SIG${name}`, index + 1]),
)
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['SIGIOT', 'SIGABRT'],
  ['SIGCLD', 'SIGCHLD'],
  ['SIGPOLL', 'SIGIO'],
])

/** `KILL`, `SIGKILL`, `sigkill`, `9`. Throws Failure('invalid-argument') in runc's words. */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  const upper = text.toUpperCase()
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`
  const number = SIGNALS.get(OTHER_NAMES.get(name) ?? name)
  if (number === undefined) throw new Failure('invalid-argument', `unknown signal ${JSON.stringify(text)}`)
  return number
}
