// tasks.Checkpoint: a running task's processes into files, by its runtime's `checkpoint`.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { readProcessStat } from '../../linux/proc/process-stat.ts'
import { readStandardStreams } from '../../runc/standard-streams.ts'
import { writeState } from '../../runc/state-store.ts'
import { RuntimeCommands } from './by-command.ts'
import { BUILT_IN } from './find-runtime.ts'
import type { Task } from './task.ts'
import type { TaskHost } from './task-host.ts'

/** In the words of containerd.runc.v1.CheckpointOptions. */
export interface CheckpointChoice {
  /** The processes end. */
  exit: boolean
  openTcp: boolean
  externalUnixSockets: boolean
  terminal: boolean
  fileLocks: boolean
  emptyNamespaces: readonly string[]
  cgroupsMode: string
  /** Empty: a directory of ours, which goes when it is done. */
  workPath: string
}

/** Resolves when the images are in `imagePath`. Throws Failure in the runtime's words. */
export async function checkpointTask(
  host: TaskHost,
  task: Task,
  imagePath: string,
  choice: CheckpointChoice,
): Promise<void> {
  const { kind } = task.init.status
  if (kind !== 'running')
    throw new Failure('failed-precondition', `cannot checkpoint a ${kind} process: failed precondition`)
  const workPath = choice.workPath === '' ? join(task.bundle, 'criu-work') : choice.workPath
  mkdirSync(workPath, { recursive: true, mode: 0o700 })
  const commands = task.commands ?? describeToOwnProgram(host, task)
  const flags = ['--image-path', imagePath, '--work-path', workPath, ...flagsOf(choice)]
  await commands.run('checkpoint', 'OCI runtime checkpoint failed', { flags })
  if (choice.workPath === '') rmSync(workPath, { recursive: true, force: true })
  host.publish(task.namespace, { kind: 'checkpointed', id: task.id, checkpoint: imagePath })
}

function flagsOf(choice: CheckpointChoice): string[] {
  return [
    ...(choice.exit ? [] : ['--leave-running']),
    ...(choice.openTcp ? ['--tcp-established'] : []),
    ...(choice.externalUnixSockets ? ['--ext-unix-sk'] : []),
    ...(choice.terminal ? ['--shell-job'] : []),
    ...(choice.fileLocks ? ['--file-locks'] : []),
    ...choice.emptyNamespaces.flatMap((name) => ['--empty-ns', name]),
    ...(choice.cgroupsMode === '' ? [] : ['--manage-cgroups-mode', choice.cgroupsMode]),
  ]
}

const STATES = 'criu-states'

/**
 * The built-in runtime keeps no state of a container but the task's own: what the program must know is written down for it. Hooks are ours to
 * run when the task is deleted; its control group may go before, which deleting takes as it comes.
 */
function describeToOwnProgram(host: TaskHost, task: Task): RuntimeCommands {
  const { id, spec, ociBundle, bundle, cgroup, init } = task
  const root = join(bundle, STATES)
  mkdirSync(join(root, id), { recursive: true, mode: 0o700 })
  const { hooks: _, ...unhooked } = spec
  const startTicks = readProcessStat(init.pid)?.startTicks ?? 0
  writeState(root, {
    version: 1,
    id,
    bundle: ociBundle,
    rootfs: `/proc/${init.pid}/root`, // mounted nowhere else
    created: new Date().toISOString(),
    pid: init.pid,
    startTicks,
    maker: { pid: process.pid, startTicks: readProcessStat(process.pid)?.startTicks ?? 0 },
    isCreated: true,
    isRootless: false,
    cgroup: cgroup.describe(),
    startFailures: {},
    resctrlGroup: undefined,
    criuExternals: init.streams.terminal ? [] : readStandardStreams(init.pid),
    spec: unhooked,
  })
  return new RuntimeCommands(
    { ...BUILT_IN, isOwnProgram: true },
    { program: host.ownProgram, root, id, bundle: ociBundle, directory: bundle },
  )
}
