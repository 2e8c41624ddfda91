// POST /exec/{id}/kill, which Docker has not: a signal to the exec's process alone.
import { constants } from 'node:os'
import { Failure, isFailure } from '../../base/failure.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import { parseSignal } from '../container/signals.ts'
import type { Engine } from '../engine.ts'
import type { Exec } from './exec-store.ts'

/** SIGKILL where the text is empty. Resolves when it has been sent. Throws conflict when the process does not run, invalid-argument on no signal. */
export async function killExec(engine: Engine, exec: Exec, signalText: string): Promise<void> {
  const signal = signalText === '' ? constants.signals.SIGKILL : parseSignal(signalText)
  requireRunning(exec)
  try {
    await engine.containerd.tasks.kill({ containerId: exec.container.id, execId: exec.id, signal, all: false })
  } catch (error) {
    if (isFailure(error, 'not-found')) throw isNotRunning(exec)
    throw error
  }
  publishContainerEvent(engine, exec.container, 'exec_kill', { execID: exec.id, signal: String(signal) })
}

export function requireRunning(exec: Exec): void {
  if (exec.state.kind !== 'running') throw isNotRunning(exec)
}

function isNotRunning(exec: Exec): Failure {
  return new Failure('conflict', `exec command ${exec.id} is not running`)
}
