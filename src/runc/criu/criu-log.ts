// What criu says of a failure is in a log of its own: the lines with errors go to ours, a few lines before each with them.
import { readFileSync } from 'node:fs'
import { messageOf } from '../../base/failure.ts'
import type { RuntimeLog } from '../runtime-log.ts'

const LINES_BEFORE = 5

/** Never throws: it is called on the way out of another failure. */
export function quoteCriuErrors(log: RuntimeLog, path: string): void {
  let lines: string[]
  try {
    lines = readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    log.write('warning', messageOf(error))
    return
  }
  const quoted = linesAroundErrors(lines)
  if (quoted.length === 0) return
  log.write('warning', `--- Quoting ${JSON.stringify(path)}`)
  for (const line of quoted) log.write('warning', line)
  log.write('warning', '---')
}

/** `<number>:<line>`, and `...` where some are left out between two. */
export function linesAroundErrors(lines: readonly string[]): string[] {
  const found: string[] = []
  let last = -1
  for (const [at, line] of lines.entries()) {
    if (!line.includes('Error')) continue
    const first = Math.max(last + 1, at - LINES_BEFORE)
    if (last >= 0 && first > last + 1) found.push('...')
    for (let index = first; index <= at; index++)
      if (lines[index] !== '') found.push(`${index + 1}:${lines[index] ?? ''}`)
    last = at
  }
  return found
}
