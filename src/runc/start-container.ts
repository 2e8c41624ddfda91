// The word through one FIFO, and what comes back through the other.
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../base/failure.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { keptState } from '../runtime/host/serve-sync.ts'
import { stateDocument, statusOf } from './container-status.ts'
import { START_FIFO, STATUS_FIFO } from './make-fifo.ts'
import { pollDescriptor } from './poll-descriptor.ts'
import { signalProcess } from './signal-process.ts'
import { startFailure } from './start-failures.ts'
import { type ContainerRecord, directoryOf } from './state-store.ts'

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants
/** `u32 step, u32 errno` */
const REPORT_SIZE = 8
const SIGKILL = 9

/**
 * Resolves when the program has been executed and the poststart hooks have run. Where one of them fails the container is killed, as with
 * runc. The caller holds the container's lock.
 */
export async function startContainer(root: string, record: ContainerRecord): Promise<void> {
  requireCreated(root, record)
  giveWord(root, record)
  const hooks = record.spec.hooks?.poststart
  if (hooks === undefined) return
  try {
    const { runHooks } = await import('../runtime/host/run-hooks.ts')
    const state = stateDocument(record, 'running')
    await runHooks({ hooks, state, cwd: record.bundle })
  } catch (error) {
    signalProcess(record.pid, record.startTicks, SIGKILL)
    throw error
  }
}

function giveWord(root: string, record: ContainerRecord): void {
  const directory = directoryOf(root, record.id)
  const [fifo, status] = [join(directory, START_FIFO), join(directory, STATUS_FIFO)]
  const word = openFifo(fifo, O_WRONLY)
  try {
    const report = openFifo(status, O_RDONLY)
    try {
      writeWord(word, `s${startState(record)}\0`)
      // It has had its word: from here on it is not `created` any more, whatever becomes of it.
      rmSync(fifo, { force: true })
      requireExecuted(report, record)
      rmSync(status, { force: true })
    } finally {
      closeSync(report)
    }
  } finally {
    closeSync(word)
  }
}

function requireCreated(root: string, record: ContainerRecord): void {
  const status = statusOf(root, record)
  switch (status) {
    case 'created':
      return
    case 'stopped':
      throw new Failure('failed-precondition', 'cannot start a container that has stopped')
    case 'running':
      throw new Failure('failed-precondition', 'cannot start an already running container')
    default:
      throw new Failure('failed-precondition', `cannot start a container in the ${status} state`)
  }
}

/** Its process holds both FIFOs open for reading and writing: where nobody does, it has ended. */
function openFifo(path: string, access: number): number {
  try {
    return openSync(path, access | O_NONBLOCK)
  } catch (error) {
    if (hasErrno(error, 'ENXIO', 'ENOENT'))
      throw new Failure('failed-precondition', 'container process is already dead')
    throw error
  }
}

/** What startContainer hooks read. */
function startState(record: ContainerRecord): string {
  const hooks = record.spec.hooks?.startContainer ?? []
  return hooks.length === 0 ? '' : keptState(stateDocument(record, 'created'))
}

function writeWord(fd: number, word: string): void {
  const bytes = Buffer.from(word)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      if (!hasErrno(error, 'EAGAIN')) throw error
      pollDescriptor(fd, 'write')
    }
  }
}

/** execve closes the FIFO; a step that failed writes into it. */
function requireExecuted(fd: number, record: ContainerRecord): void {
  const report = Buffer.alloc(REPORT_SIZE)
  for (;;) {
    pollDescriptor(fd, 'read')
    try {
      const size = readSync(fd, report, 0, REPORT_SIZE, null)
      if (size === 0) return
      if (size === REPORT_SIZE) throw startFailure(record.startFailures, report.readUInt32LE(0), report.readUInt32LE(4))
    } catch (error) {
      if (!hasErrno(error, 'EAGAIN')) throw error
    }
  }
}
