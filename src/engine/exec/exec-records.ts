// What is on disk of the execs that run: `<exec-root>/execs/<container>/<exec>.json`, so that the next engine finds them. It goes with the process.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { removeFileSync } from '../../base/atomic-file.ts'
import { isFailure, messageOf } from '../../base/failure.ts'
import type { Process } from '../../gen/types/task_pb.ts'
import { Status } from '../../gen/types/task_pb.ts'
import type { Container } from '../container/container.ts'
import type { Engine } from '../engine.ts'
import { handleExecExit } from './exec-exit.ts'
import { Exec, type ExecConfig } from './exec-store.ts'

interface ExecRecord {
  version: 1
  config: ExecConfig
  hasInput: boolean
}

const SUFFIX = '.json'

function directoryOf({ config }: Pick<Engine, 'config'>, containerId = ''): string {
  return join(config.execRoot, 'execs', containerId)
}

/** Before the process is made: there is none without a record, nor with one that was cut short. */
export function saveExecRecord(engine: Engine, { id, container, config, hasInput }: Exec): void {
  const directory = directoryOf(engine, container.id)
  const record: ExecRecord = { version: 1, config, hasInput }
  const write = () => writeFileSync(join(directory, id + SUFFIX), JSON.stringify(record), { mode: 0o600 })
  try {
    write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    mkdirSync(directory, { recursive: true, mode: 0o700 }) // the container's first
    write()
  }
}

export function removeExecRecord(engine: Pick<Engine, 'config'>, containerId: string, execId: string): void {
  removeFileSync(join(directoryOf(engine, containerId), execId + SUFFIX))
}

/** All of a container that has ended. */
export function removeExecRecords(engine: Pick<Engine, 'config'>, containerId: string): void {
  rmSync(directoryOf(engine, containerId), { recursive: true, force: true })
}

/** Of containers that do not run. */
export function sweepExecRecords(engine: Pick<Engine, 'config'>, live: ReadonlySet<string>): void {
  mkdirSync(directoryOf(engine), { recursive: true, mode: 0o700 })
  for (const id of readdirSync(directoryOf(engine))) if (!live.has(id)) removeExecRecords(engine, id)
}

/** The container runs. Execs that a former engine has started are known again; those that have ended meanwhile are told of. */
export async function adoptExecs(engine: Engine, container: Container): Promise<void> {
  let names: string[]
  try {
    names = readdirSync(directoryOf(engine, container.id))
  } catch {
    return // it never had any
  }
  for (const name of names) {
    const id = name.slice(0, -SUFFIX.length)
    if (!name.endsWith(SUFFIX)) {
      rmSync(join(directoryOf(engine, container.id), name), { force: true }) // the draft of one that was never made
      continue
    }
    const step = engine.containers.execs.get(id) === undefined ? adopt : checkEnd
    await step(engine, container, id).catch((error: unknown) =>
      engine.log.warn('an exec could not be adopted', { container: container.id, exec: id, error: messageOf(error) }),
    )
  }
}

async function adopt(engine: Engine, container: Container, id: string): Promise<void> {
  const record = readRecord(join(directoryOf(engine, container.id), id + SUFFIX))
  const process = await findProcess(engine, container, id)
  if (record === undefined || process === undefined || process.status === Status.CREATED) {
    removeExecRecord(engine, container.id, id)
    // Its start was never asked for: nobody will.
    if (process?.status === Status.CREATED)
      await engine.containerd.tasks.deleteProcess({ containerId: container.id, execId: id })
    return
  }
  const exec = new Exec(id, container, record.config)
  exec.hasInput = record.hasInput
  exec.state = { kind: 'starting' }
  exec.setRunning(process.pid)
  engine.containers.execs.add(exec, engine.clock.now())
  if (process.status === Status.STOPPED)
    handleExecExit(engine, container, { execId: id, pid: process.pid, exitCode: process.exitStatus })
}

/** It is this engine's own: its end may have been told while nobody was connected to containerd. */
async function checkEnd(engine: Engine, container: Container, id: string): Promise<void> {
  const process = await findProcess(engine, container, id)
  if (process?.status === Status.STOPPED)
    handleExecExit(engine, container, { execId: id, pid: process.pid, exitCode: process.exitStatus })
}

/** Undefined for what is none: it is of another version, or torn. */
function readRecord(path: string): ExecRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as Partial<ExecRecord>
    if (record.version !== 1 || !Array.isArray(record.config?.command)) return undefined
    return { version: 1, config: record.config, hasInput: record.hasInput === true }
  } catch {
    return undefined
  }
}

async function findProcess(engine: Engine, container: Container, execId: string): Promise<Process | undefined> {
  try {
    return (await engine.containerd.tasks.get({ containerId: container.id, execId })).process
  } catch (error) {
    if (isFailure(error, 'not-found')) return undefined
    throw error
  }
}
