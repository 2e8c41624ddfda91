// Signals by name or number, as Docker's API takes them: `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`.
import { constants } from 'node:os'
import { Failure } from '../../base/failure.ts'

const RTMIN = 34
const RTMAX = 64
/** Names that Node does not list, and the real-time ones. */
const NUMBERS: Readonly<Record<string, number>> = makeTable()
const KNOWN: ReadonlySet<number> = new Set(Object.values(NUMBERS))

/** Throws invalid-argument in Docker's words, which tell numbers without a signal from what is no number. */
export function parseSignal(text: string): number {
  if (/^[+-]?\d{1,18}$/.test(text)) {
    const number = Number(text)
    if (number === 0) throw invalidSignal(text)
    if (!KNOWN.has(number)) throw new Failure('invalid-argument', `the linux daemon does not support signal ${number}`)
    return number
  }
  const number = NUMBERS[text.toUpperCase().replace(/^SIG/, '')]
  if (number === undefined) throw invalidSignal(text)
  return number
}

function invalidSignal(text: string): Failure {
  return new Failure('invalid-argument', `invalid signal: ${text}`)
}

function makeTable(): Record<string, number> {
  const table: Record<string, number> = Object.create(null)
  for (const [name, number] of Object.entries(constants.signals)) table[name.replace(/^SIG/, '')] = number
  table['CLD'] = constants.signals.SIGCHLD
  table['POLL'] = constants.signals.SIGIO
  for (let n = RTMIN; n <= RTMAX; n++) {
    if (n - RTMIN <= (RTMAX - RTMIN) / 2) table[n === RTMIN ? 'RTMIN' : `RTMIN+${n - RTMIN}`] = n
    else table[n === RTMAX ? 'RTMAX' : `RTMAX-${RTMAX - n}`] = n
  }
  return table
}
