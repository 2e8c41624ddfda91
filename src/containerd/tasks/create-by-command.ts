// A first process by another OCI runtime: it wants a bundle with config.json, and the root file system as a directory on the host.
import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { UndoStack } from '../../base/undo-stack.ts'
import { cgroupOfProcess } from '../../linux/cgroup/cgroup-of-process.ts'
import { INIT_PROCESS, type Shim, type ShimSettings } from '../../shim/shim.ts'
import { explainCommand, type RuntimeCommands } from './by-command.ts'
import { framed } from './explain-failure.ts'
import { mountRootfs, type RootfsMount, unmountAll } from './open-rootfs.ts'
import type { Stdio } from './open-stdio.ts'
import type { Task } from './task.ts'
import type { TaskHost } from './task-host.ts'
import { writeTaskRecord } from './task-record.ts'
import { failpoint } from '../failpoints.ts'

export interface CommandCreation {
  specText?: string
  rootfs: readonly RootfsMount[]
  settings: ShimSettings
  stdio: Stdio
  undo: UndoStack
}

/** The runtime makes the control group itself: where the process turns up is where it is. */
export async function createByCommand(
  host: TaskHost,
  task: Task,
  commands: RuntimeCommands,
  { specText, rootfs, settings, stdio, undo }: CommandCreation,
): Promise<Shim> {
  const { terminal, stdin } = task.init.streams
  writeConfig(task, specText)
  failpoint('task.command.config-written')
  const directory = rootfsDirectory(task)
  if (rootfs.length > 0) {
    mountRootfs(host.kernel, rootfs, directory)
    undo.defer(() => unmountAll(host.kernel, directory))
  }
  failpoint('task.command.mounted')
  undo.defer(async () => void (await commands.run('delete', 'undo', { flags: ['--force'] })))
  const { plan, log } = commands.create({ terminal, stdin: stdin !== '' })
  const streams = stdio.paths === undefined ? {} : { streams: stdio.paths }
  const shim = await host.spawnShim(settings, { command: plan }, undefined, streams).catch((error: unknown) => {
    throw framed(host, 'failed to create shim task: ', explainCommand('OCI runtime create failed', log, error))
  })
  const pid = shim.processes.get(INIT_PROCESS)?.pid
  if (pid === undefined) throw new Failure('internal', `${commands.name}: no process`)
  task.cgroup = cgroupOfProcess(pid, host.kernel)
  writeTaskRecord(task)
  failpoint('task.command.created')
  return shim
}

/** Where a runtime by command finds the root file system. */
export function rootfsDirectory(task: Task): string {
  return resolve(task.ociBundle, task.spec.root?.path ?? 'rootfs')
}

/** Ours names its root file system as the spec says, and holds it nowhere else. */
function writeConfig(task: Task, specText: string | undefined): void {
  const path = join(task.ociBundle, 'config.json')
  if (task.ociBundle !== task.bundle && existsSync(path)) return
  if (specText === undefined) throw new Failure('invalid-argument', `${path}: no spec was given`)
  writeFileSync(path, specText, { mode: 0o600 })
}
