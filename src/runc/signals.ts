// Signals by name or number, as kill(1) and callers write them.
import { constants } from 'node:os'
import { Failure } from '../base/failure.ts'

/** `KILL`, `SIGKILL`, `sigkill`, `9`. Throws Failure('invalid-argument') in runc's words. */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  const name = text.toUpperCase()
  const number = new Map<string, number>(Object.entries(constants.signals)).get(
    name.startsWith('SIG') ? name : `SIG${name}`,
  )
  if (number === undefined) throw new Failure('invalid-argument', `unknown signal ${JSON.stringify(text)}`)
  return number
}
