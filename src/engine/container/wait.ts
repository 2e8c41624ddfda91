// POST /containers/{id}/wait: blocks until the container has stopped or is gone.
import { Failure } from '../../base/failure.ts'
import type { Container } from './container.ts'
import type { ExitStatus } from './container-state.ts'
import { countsAsRunning } from './container-state.ts'
import type { WaitCondition } from './exit-waiters.ts'

const CONDITIONS: readonly WaitCondition[] = ['not-running', 'next-exit', 'removed']

/** Empty and missing are `not-running`. */
export function parseWaitCondition(text: string | null): WaitCondition {
  if (text === null || text === '') return 'not-running'
  const found = CONDITIONS.find((condition) => condition === text)
  if (!found) throw new Failure('invalid-argument', `invalid condition: ${JSON.stringify(text)}`)
  return found
}

/** `next-exit` waits even for a container that is down, since the client starts it afterwards. Never settles once the signal is aborted. */
export function waitForContainer(
  container: Container,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<ExitStatus> {
  switch (condition) {
    case 'not-running':
      if (!countsAsRunning(container.state)) return Promise.resolve(container.exitStatus())
      return container.waiters.nextStop(signal)
    case 'next-exit':
      return container.waiters.nextStop(signal)
    case 'removed':
      if (container.isGone) return Promise.resolve(container.exitStatus())
      return container.waiters.removal(signal)
  }
}
