// The question before something is removed for good.
import type { Shell } from '../command.ts'

/** Asks on standard output; only `y` is yes. Resolves with no at the end of the input. */
export async function confirm(shell: Shell, question: string): Promise<boolean> {
  shell.print(`${question} [y/N] `)
  let answer = ''
  for await (const chunk of process.stdin) {
    answer += String(chunk)
    if (answer.includes('\n')) break
  }
  return (answer.split('\n')[0] ?? '').trim().toLowerCase() === 'y'
}
