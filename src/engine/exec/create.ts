// POST /containers/{id}/exec: notes what is to be run; nothing runs yet.
import { Failure } from '../../base/failure.ts'
import { generateId } from '../../base/ids.ts'
import type { Container } from '../container/container.ts'
import { isRestarting } from '../container/container.ts'
import { variablesOfLinked } from '../container/links/linked-containers.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import { readUserFilesOfProcess } from '../container/read-user-files.ts'
import { resolveUser } from '../container/spec/resolve-user.ts'
import type { Engine } from '../engine.ts'
import type { ExecConfig } from './exec-store.ts'
import { Exec } from './exec-store.ts'

/** Throws conflict when the container does not run or is paused, invalid-argument where it has no such user, unknown where one that it is linked to does not run. */
export async function createExec(
  engine: Engine,
  container: Container,
  name: string,
  config: ExecConfig,
  asker?: { readonly signal: AbortSignal },
): Promise<Exec> {
  requireExecutable(container, name)
  if (config.user !== '') {
    // Only to tell early: it is looked up again at the start.
    const { passwd, group } = await readUserFilesOfProcess(engine, container.state.pid, asker?.signal)
    requireExecutable(container, name) // that may have taken long
    resolveUser(config.user, passwd, group)
  }
  const exec = new Exec(generateId(), container, config, variablesOfLinked(engine, container))
  engine.containers.execs.add(exec, engine.clock.now())
  publishContainerEvent(engine, container, `exec_create: ${exec.eventCommand}`, { execID: exec.id })
  return exec
}

export function requireExecutable(container: Container, name: string): void {
  if (container.state.status === 'paused' || container.isPausing)
    throw new Failure('conflict', `Container ${name} is paused, unpause the container before exec`)
  if (container.state.status === 'restarting') throw isRestarting(container)
  container.requireAlive()
}
