// Which runtime a task is made by: our own plans, or a program's commands.
import { accessSync, constants, statSync } from 'node:fs'
import { basename, delimiter, isAbsolute, join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { type RuntimeChoice, RuntimeCommands } from './by-command.ts'
import type { TaskHost } from './task-host.ts'

/** Nothing chosen. */
export const BUILT_IN: RuntimeChoice = {
  program: undefined,
  root: '',
  systemdCgroup: false,
  noPivot: false,
  noNewKeyring: false,
}

/** Our own runtime as a program: the built-in one does the same, and faster. */
export const OWN_PROGRAM = 'berth-runc'

/** Undefined for the built-in runtime. */
export function commandsFor(
  host: Pick<TaskHost, 'runtimeRoot' | 'ownProgram'>,
  choice: RuntimeChoice,
  task: { namespace: string; id: string; bundle: string; ociBundle: string },
): RuntimeCommands | undefined {
  const { program } = choice
  const isOwn = program === undefined || program === '' || basename(program) === OWN_PROGRAM
  if (isOwn && choice.isOwnProgram !== true) return undefined
  const root = join(choice.root === '' ? host.runtimeRoot : choice.root, task.namespace)
  const place = { root, id: task.id, bundle: task.ociBundle, directory: task.bundle }
  return new RuntimeCommands(choice, { program: isOwn ? host.ownProgram : findProgram(program), ...place })
}

/** As Go's exec.LookPath does it. */
function findProgram(program: string): string {
  const folders = program.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute)
  const found = folders.map((folder) => join(folder, program)).find(isExecutable)
  if (found !== undefined) return found
  const reason = program.includes('/')
    ? `stat ${program}: no such file or directory`
    : 'executable file not found in $PATH'
  throw new Failure('unknown', `unable to retrieve OCI runtime error: exec: ${JSON.stringify(program)}: ${reason}`)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
