// An exec by another OCI runtime. Its `exec` makes and starts at once, which is what a shim's Start asks for. Where attach clients shall be able to
// connect in between, the command is begun early and held at a gate.
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessSpec } from '../../oci/runtime-spec.ts'
import { explainCommand, type RuntimeCommands, withOwnedStreams } from './by-command.ts'
import { framed } from './explain-failure.ts'
import type { Stdio } from './open-stdio.ts'
import { requireShim, type Task, type TaskProcess } from './task.ts'
import type { TaskHost } from './task-host.ts'

const S_IFIFO = 0o010000

export async function makeExecByCommand(
  host: TaskHost,
  task: Task,
  commands: RuntimeCommands,
  { process, spec, stdio }: { process: TaskProcess; spec: ProcessSpec; stdio: Stdio },
): Promise<void> {
  const { terminal, stdin } = process.streams
  const streams = { terminal, stdin: stdin !== '' }
  const gate = host.isShim ? undefined : openGate(host, join(task.bundle, `gate-${process.id}`))
  const { plan, log } = commands.exec(process.id, { ...spec, terminal }, streams, gate?.path)
  const options = stdio.paths === undefined ? {} : { streams: stdio.paths }
  const shim = requireShim(task)
  const running = shim
    .add(process.id, { command: withOwnedStreams(plan, task.spec) }, options)
    .then(({ pid }) => {
      process.pid = pid
    })
    .catch((error: unknown) => {
      throw framed(host, '', explainCommand('OCI runtime exec failed', log, error))
    })
    .finally(() => gate?.close())
  running.catch(() => {}) // `run` tells it
  process.run = () => {
    gate?.open()
    return running
  }
  process.abandon = gate?.close
  // The answer, whatever it is, comes after the shim has taken the process in: from then on clients find it.
  if (gate !== undefined) await shim.kill(process.id, 0).catch(() => {})
}

interface Gate {
  readonly path: string
  open(): void
  /** Who still waits there gives up. */
  close(): void
}

function openGate(host: TaskHost, path: string): Gate {
  rmSync(path, { force: true })
  host.kernel.mknod(path, S_IFIFO | 0o600, { major: 0, minor: 0 })
  const fifo = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  let isClosed = false
  return {
    path,
    open: () => void writeSync(fifo, '\n'),
    close: () => {
      if (isClosed) return
      isClosed = true
      closeSync(fifo)
      rmSync(path, { force: true })
    },
  }
}
