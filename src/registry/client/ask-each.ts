// A host that has a manifest need not have all that it names.
import { Failure } from '../../base/failure.ts'
import { isFullDisk } from './kept-pulls.ts'
import type { RegistrySession } from './registry-session.ts'

/** What one host can't give, whatever is wrong with it, is asked of the next one; the last one's words are told. A disk that is full here is full for all of them. */
export async function askEach<T>(
  sessions: readonly RegistrySession[],
  signal: AbortSignal,
  ask: (session: RegistrySession, hasAlternative: boolean) => Promise<T>,
): Promise<T> {
  for (const [index, session] of sessions.entries()) {
    const hasAlternative = index < sessions.length - 1
    try {
      return await ask(session, hasAlternative)
    } catch (error) {
      if (!hasAlternative || signal.aborted || isFullDisk(error)) throw error
    }
  }
  throw new Failure('internal', 'no host to ask')
}
