// Whether a process is still the one that was meant: a pid alone may have been given to another.
import { readFileSync } from 'node:fs'

export interface ProcessStat {
  /** The kernel's letter: R, S, D, T, Z, X, … */
  state: string
  parent: number
  /** Clock ticks after boot; with the pid it names a process for as long as the machine runs. */
  startTicks: number
}

const PARENT = 1
const START_TIME = 19

/** undefined where there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let line: string
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined // ENOENT before, ESRCH while it was read
  }
  // The name is in parentheses and may itself hold any of them.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? 'X', parent: Number(fields[PARENT]), startTicks: Number(fields[START_TIME]) }
}

/** A zombie has ended, though nobody has asked for its status yet. */
export function isAlive(pid: number, startTicks: number): boolean {
  if (pid <= 0) return false
  const stat = readProcessStat(pid)
  return stat !== undefined && stat.startTicks === startTicks && !'ZX'.includes(stat.state)
}
