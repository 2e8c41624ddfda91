// POST /exec/{id}/resize: clients send it right behind the start, so it waits for the process.
import { within } from '../../base/clock.ts'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Exec } from './exec-store.ts'

const START_LIMIT_MS = 10_000

export async function resizeExec(engine: Engine, exec: Exec, size: { height: number; width: number }): Promise<void> {
  if (!(await within(engine.clock, START_LIMIT_MS, exec.started)))
    throw new Failure('unknown', 'timeout waiting for exec session ready')
  if (exec.state.kind !== 'running') throw new Failure('invalid-argument', 'exec process is not started')
  await engine.containerd.tasks.resizePty({ containerId: exec.container.id, execId: exec.id, ...size })
}
