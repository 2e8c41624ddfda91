// A logging program, `binary:///path?key=value`: it reads a container's output from descriptors 3 and 4, and closes 5 when it is ready for it.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { Failure, messageOf } from '../../base/failure.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import type { TaskHost } from './task-host.ts'
import type { StdioOwner } from './open-stdio.ts'

export interface Logger {
  readonly paths: { stdout: string; stderr: string }
  /** The shim has the FIFOs open: from now on their end is the process's. */
  release(): void
  /** Gives it time to write what it has read, then ends it. */
  close(): Promise<void>
}

const S_IFIFO = 0o010000
/** With the end of the streams it knows that it is over. */
const END_MS = 1_000
/** After SIGTERM, as containerd's own shim waits. */
const TERM_MS = 12_000
const READY_MS = 60_000

/** Resolves when the program is ready. */
export async function startLogger(host: TaskHost, owner: StdioOwner, uri: string): Promise<Logger> {
  const { program, args, mustSayReady } = parseLoggerUri(uri)
  await using undo = new UndoStack()
  const fifo = (name: string): { path: string; held: () => void; read: number; closeRead: () => void } => {
    const path = join(owner.directory, name)
    rmSync(path, { force: true })
    host.kernel.mknod(path, S_IFIFO | 0o600, { major: 0, minor: 0 })
    undo.defer(() => rmSync(path, { force: true }))
    // Held open for writing, so that the reader does not see an end before the shim has come.
    const held = closeOnce(openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
    undo.defer(held)
    const read = openSync(path, constants.O_RDONLY)
    const closeRead = closeOnce(read)
    undo.defer(closeRead)
    return { path, held, read, closeRead }
  }
  const out = fifo(`log-stdout-${owner.id}`)
  const err = fifo(`log-stderr-${owner.id}`)
  const release = (): void => {
    out.held()
    err.held()
  }
  const env = { CONTAINER_ID: owner.id, CONTAINER_NAMESPACE: owner.namespace }
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'ignore', out.read, err.read, 'pipe'] })
  out.closeRead()
  err.closeRead()
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  undo.defer(() => void child.kill('SIGKILL'))
  await untilReady(child, program, mustSayReady)
  child.unref()
  undo.commit()
  return {
    paths: { stdout: out.path, stderr: err.path },
    release,
    async close() {
      release()
      if (await endsWithin(exited, END_MS)) return
      child.kill('SIGTERM')
      if (await endsWithin(exited, TERM_MS)) return
      host.log.warn('a logging program does not end, it is killed', { program, container: owner.id })
      child.kill('SIGKILL')
    },
  }
}

/** Keys and values of the query are its arguments, one after the other. */
function parseLoggerUri(uri: string): { program: string; args: string[]; mustSayReady: boolean } {
  try {
    const url = new URL(uri)
    const args = [...new Set(url.searchParams.keys())].flatMap((key) => [key, url.searchParams.get(key) ?? ''])
    const program = decodeURIComponent(url.pathname)
    if ([program, ...args].some((text) => text.includes('\0'))) throw new Error('a NUL')
    return { program, args, mustSayReady: url.protocol === 'binary-v2:' }
  } catch (error) {
    throw new Failure('invalid-argument', `unable to parse stdout uri: ${messageOf(error)}`, { cause: error })
  }
}

/** A byte on descriptor 5, or its end: with `binary-v2` only the byte counts. */
function untilReady(child: ChildProcess, program: string, mustSayReady: boolean): Promise<void> {
  const pipe = child.stdio.at(5)
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void =>
      reject(new Failure('unknown', `failed to start binary process: ${program}: ${reason}`))
    const timer = setTimeout(fail, READY_MS, 'it is not ready in time')
    const settle = (act: () => void): void => {
      clearTimeout(timer)
      act()
    }
    child.once('error', (error) => settle(() => fail(error.message)))
    if (!(pipe instanceof Readable)) return settle(() => fail('no pipe'))
    pipe.once('data', () => settle(resolve))
    pipe.once('error', (error) => settle(() => fail(error.message)))
    pipe.once('end', () =>
      settle(mustSayReady ? () => fail('logging binary did not call ready (it may have crashed)') : resolve),
    )
    pipe.resume()
  })
}

function closeOnce(fd: number): () => void {
  let isOpen = true
  return () => {
    if (isOpen) closeSync(fd)
    isOpen = false
  }
}

function endsWithin(exited: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false)
    void exited.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
