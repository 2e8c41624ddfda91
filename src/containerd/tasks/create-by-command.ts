// A first process by another OCI runtime: it wants a bundle with config.json, and the root file system as a directory on the host.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { UndoStack } from '../../base/undo-stack.ts'
import { cgroupOfProcess } from '../../linux/cgroup/cgroup-of-process.ts'
import { INIT_PROCESS, type Shim, type ShimSettings } from '../../shim/shim.ts'
import { explainCommand, type RuntimeCommands, withOwnedStreams } from './by-command.ts'
import { framed } from './explain-failure.ts'
import { mountRootfs, type RootfsMount, unmountAll } from './open-rootfs.ts'
import type { Stdio } from './open-stdio.ts'
import type { Task } from './task.ts'
import type { TaskHost } from './task-host.ts'
import { writeTaskRecord } from './task-record.ts'
import { failpoint } from '../failpoints.ts'

export interface CommandCreation {
  specText?: string | undefined
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
  prepareBundle(host, task, { specText, rootfs, undo })
  undo.defer(async () => void (await commands.run('delete', 'undo', { flags: ['--force'] })))
  const { plan, log } = commands.create({ terminal, stdin: stdin !== '' })
  const streams = stdio.paths === undefined ? {} : { streams: stdio.paths }
  const shim = await host
    .spawnShim(settings, { command: withOwnedStreams(plan, task.spec) }, undefined, streams)
    .catch((error: unknown) => {
      throw framed(host, 'failed to create shim task: ', explainCommand('OCI runtime create failed', log, error))
    })
  const pid = shim.processes.get(INIT_PROCESS)?.pid
  if (pid === undefined) throw new Failure('internal', `${commands.name}: no process`)
  task.cgroup = cgroupOfProcess(pid, host.kernel)
  writeTaskRecord(task)
  failpoint('task.command.created')
  return shim
}

/** What a runtime by command looks for: config.json and the root file system. */
export function prepareBundle(
  host: TaskHost,
  task: Task,
  { specText, rootfs, undo }: Pick<CommandCreation, 'specText' | 'rootfs' | 'undo'>,
): void {
  writeConfig(task, specText)
  failpoint('task.command.config-written')
  const directory = mountDirectory(task)
  if (rootfs.length > 0) {
    mountRootfs(host.kernel, rootfs, directory)
    undo.defer(() => unmountAll(host.kernel, directory))
  }
  failpoint('task.command.mounted')
}

/**
 * Where the mounts that a client hands over go, as with containerd's own shim: a root file system elsewhere is the client's, who mounted it
 * there (dockerd does) and may have mounted it anew for the next task when this one is deleted.
 */
export function mountDirectory(task: Task): string {
  return join(task.ociBundle, 'rootfs')
}

/** Ours names its root file system as the spec says, and holds it nowhere else. */
function writeConfig(task: Task, specText: string | undefined): void {
  const path = join(task.ociBundle, 'config.json')
  if (task.ociBundle !== task.bundle && existsSync(path)) return
  if (specText === undefined) throw new Failure('invalid-argument', `${path}: no spec was given`)
  writeFileSync(path, specText, { mode: 0o600 })
}
