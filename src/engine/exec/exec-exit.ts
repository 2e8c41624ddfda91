// The end of an exec: by itself, with its container, or with its container's removal.
import { messageOf } from '../../base/failure.ts'
import type { Container } from '../container/container.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import type { Engine } from '../engine.ts'
import { removeExecRecord, removeExecRecords } from './exec-records.ts'

/** What Docker reports for an exec that the end of its container has killed. */
const KILLED = 137

/** Whoever waits for the end asks for the code next; he is not to wait behind our tidying up. */
const TIDY_AFTER_MS = 20

/** containerd has told of the exit of a process that is not the container's first; maybe before it has answered its start. */
export function handleExecExit(
  engine: Engine,
  container: Container,
  { execId, pid, exitCode }: { execId: string; pid: number; exitCode: number },
): void {
  const exec = engine.containers.execs.get(execId)
  if (exec?.state.kind !== 'exited') {
    exec?.setExited(exitCode, engine.clock.now(), pid)
    publishContainerEvent(engine, container, 'exec_die', { execID: execId, exitCode: String(exitCode) })
  }
  removeExecRecord(engine, container.id, execId)
  engine.containers.track(forgetProcess(engine, container, execId))
}

async function forgetProcess(engine: Engine, container: Container, execId: string): Promise<void> {
  await engine.clock.sleep(TIDY_AFTER_MS)
  await engine.containerd.tasks
    .deleteProcess({ containerId: container.id, execId })
    .catch((error: unknown) =>
      engine.log.debug('deleting an exec process failed', { exec: execId, error: messageOf(error) }),
    )
  await engine.streams.closeExec(container, execId)
}

/** The first process is gone, and with its PID namespace everything else. An exec that was never started is gone, too: its container will not run it. */
export function endExecsOf(engine: Engine, container: Container): void {
  for (const exec of engine.containers.execs.listOf(container)) {
    if (exec.state.kind === 'created') engine.containers.execs.delete(exec.id)
    if (exec.state.kind !== 'running' && exec.state.kind !== 'starting') continue
    exec.setExited(KILLED, engine.clock.now())
    publishContainerEvent(engine, container, 'exec_die', { execID: exec.id, exitCode: String(KILLED) })
  }
  removeExecRecords(engine, container.id)
}

/** Of a container that is gone. One that has ended stays known for its while: its client asks for the exit code only now. */
export function forgetExecsOf(engine: Engine, container: Container): void {
  for (const { id, state } of engine.containers.execs.listOf(container))
    if (state.kind !== 'exited') engine.containers.execs.delete(id)
}
