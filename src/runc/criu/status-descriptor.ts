// --status-fd: a descriptor of the caller's, who may have meant another.
import { constants, readFileSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'

/** Throws Failure('invalid-argument') in runc's words. */
export function requireWritable(descriptor: number): void {
  const invalid = (reason: string) =>
    new Failure('invalid-argument', `invalid --status-fd argument ${descriptor}: ${reason}`)
  let text: string
  try {
    text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')
  } catch {
    throw invalid('bad file descriptor')
  }
  const [, flags = '0'] = /^flags:\s+([0-7]+)$/m.exec(text) ?? []
  if ((Number.parseInt(flags, 8) & (constants.O_WRONLY | constants.O_RDWR)) === 0) throw invalid('not writable')
}
