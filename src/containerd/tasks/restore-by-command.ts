// A first process out of a checkpoint. Nothing of it is there before it is started: the runtime's `restore` makes and starts at once.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupOfProcess } from '../../linux/cgroup/cgroup-of-process.ts'
import { INIT_PROCESS } from '../../shim/shim.ts'
import { explainCommand, type RuntimeCommands, type SavedImages, withOwnedStreams } from './by-command.ts'
import { type CommandCreation, prepareBundle } from './create-by-command.ts'
import { framed } from './explain-failure.ts'
import type { Task } from './task.ts'
import type { TaskHost } from './task-host.ts'
import { writeTaskRecord } from './task-record.ts'
import { trackExits, watchOom } from './track-exits.ts'

/** What a start needs is made ready. What criu says stays in the bundle, for as long as that does. */
export async function prepareRestore(
  host: TaskHost,
  task: Task,
  commands: RuntimeCommands,
  creation: CommandCreation & { saved: SavedImages },
): Promise<void> {
  prepareBundle(host, task, creation)
  const saved = await fillImages(task, creation.saved)
  task.init.run = () => restore(host, task, commands, { ...creation, saved })
}

async function fillImages(task: Task, saved: SavedImages): Promise<SavedImages> {
  if (saved.fill === undefined) return saved
  const imagePath = join(task.bundle, 'checkpoint')
  mkdirSync(imagePath, { mode: 0o700 })
  await saved.fill(imagePath)
  return { ...saved, imagePath }
}

async function restore(
  host: TaskHost,
  task: Task,
  commands: RuntimeCommands,
  { settings, stdio, saved }: CommandCreation & { saved: SavedImages },
): Promise<void> {
  const { terminal, stdin } = task.init.streams
  const workPath = saved.workPath === '' ? join(task.bundle, 'criu-work') : saved.workPath
  mkdirSync(workPath, { recursive: true, mode: 0o700 })
  const { plan, log } = commands.restore({ ...saved, workPath }, { terminal, stdin: stdin !== '' })
  const streams = stdio.paths === undefined ? {} : { streams: stdio.paths }
  const shim = await host
    .spawnShim(settings, { command: withOwnedStreams(plan, task.spec) }, undefined, streams)
    .catch((error: unknown) => {
      throw framed(host, 'failed to start shim task: ', explainCommand('OCI runtime restore failed', log, error))
    })
  task.init.pid = shim.processes.get(INIT_PROCESS)?.pid ?? 0
  try {
    task.cgroup = cgroupOfProcess(task.init.pid, host.kernel)
  } catch (error) {
    host.log.debug('a restored process has ended at once', { task: task.id, error: String(error) })
  }
  writeTaskRecord(task)
  trackExits(host, task, shim)
  watchOom(host, task)
  if (saved.workPath === '') rmSync(workPath, { recursive: true, force: true })
}
