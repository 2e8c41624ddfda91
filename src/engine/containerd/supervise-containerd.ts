// The engine's own containerd: started if none runs, adopted after a crash of the engine, started again when it dies.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readlinkSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../../base/atomic-file.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { isProgram } from '../pid-file.ts'

const PROGRAM = 'berth-containerd'
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 2_000
/** A daemon that lived so long had started well: the next one may come at once. */
const HEALTHY_MS = 500
const LOOK_MS = 100
const STOP_MS = 5000

export interface ContainerdOptions {
  dataRoot: string
  execRoot: string
  /** The program and its first arguments: node and the launcher's file. */
  command: readonly string[]
  shimPath: string | undefined
  logLevel: string
  log: Log
  clock: Clock
}

export interface SupervisedContainerd {
  readonly address: string
  /** SIGTERM, and SIGKILL if it does not go. Containers run on: their shims need no daemon. */
  stop(): Promise<void>
}

/** Returns at once: who needs it waits until it answers. */
export function superviseContainerd(options: ContainerdOptions): SupervisedContainerd {
  const directory = join(options.execRoot, 'containerd')
  mkdirSync(directory, { recursive: true, mode: 0o711 })
  const address = join(directory, 'containerd.sock')
  const pidFile = join(directory, 'containerd.pid')
  const stopping = new AbortController()
  const state: { pid: number | undefined } = { pid: undefined }
  const life = supervise(options, { address, pidFile, state, signal: stopping.signal })
  life.catch((error) => options.log.error('containerd is not supervised any more', { error: String(error) }))
  return {
    address,
    async stop() {
      stopping.abort()
      if (state.pid !== undefined) await terminate(options.clock, state.pid)
    },
  }
}

interface Life {
  address: string
  pidFile: string
  state: { pid: number | undefined }
  signal: AbortSignal
}

async function supervise(options: ContainerdOptions, life: Life): Promise<void> {
  const { log, clock } = options
  let pauseMs = 0
  while (!life.signal.aborted) {
    await followRunning(options, life)
    if (life.signal.aborted) return
    const startedAt = clock.monotonic()
    const reason = await runOnce(options, life)
    if (life.signal.aborted) return
    const wasHealthy = clock.monotonic() - startedAt > HEALTHY_MS
    pauseMs = wasHealthy ? 0 : Math.min(Math.max(pauseMs * 2, RETRY_MS_MIN), RETRY_MS_MAX)
    log.error('containerd has ended, it is started again', { reason, pauseMs })
    await clock.sleep(pauseMs, life.signal)
  }
}

/**
 * Adopts a containerd that runs already, and resolves when it has ended. The pid file tells of it; or its own lock does, where an engine was killed between starting it
 * and writing the file.
 */
async function followRunning(options: ContainerdOptions, life: Life): Promise<void> {
  const lock = join(options.dataRoot, 'containerd', 'lock')
  const [told, holder] = [life.pidFile, lock].map((file) => Number(readTextIfExists(file) || 0)) as [number, number]
  const adopted = isProgram(told, PROGRAM) ? told : holdsOpen(holder, lock) ? holder : undefined
  if (adopted === undefined) return
  options.log.info('containerd is still running', { pid: adopted, address: life.address })
  life.state.pid = adopted
  replaceFileSync(life.pidFile, String(adopted), 0o644)
  await untilGone(options.clock, life, adopted)
  if (!life.signal.aborted) options.log.error('containerd has ended, it is started again', { pid: adopted })
}

/** The lock file keeps the last holder's pid, which another program may have got since. */
function holdsOpen(pid: number, path: string): boolean {
  try {
    return pid > 0 && readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path)
  } catch {
    return false // it has ended
  }
}

/** Starts the daemon and resolves, with the reason, when it has ended. */
function runOnce(options: ContainerdOptions, life: Life): Promise<string> {
  const [program = '', ...first] = options.command
  const { dataRoot, execRoot, shimPath, logLevel } = options
  const args = [
    ...first,
    ...['--address', life.address],
    ...['--root', join(dataRoot, 'containerd')],
    ...['--state', join(execRoot, 'containerd', 'state')],
    ...(shimPath === undefined ? [] : ['--shim', shimPath]),
    ...['--log-level', logLevel],
  ]
  // In a group of its own: a Ctrl-C at the engine's terminal must not reach it before the engine has said goodbye.
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
  life.state.pid = child.pid
  if (child.pid !== undefined) replaceFileSync(life.pidFile, String(child.pid), 0o644)
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
}

/** An adopted daemon is not our child, so nobody tells us of its end; a connection that breaks does. */
async function untilGone(clock: Clock, life: Life, pid: number): Promise<void> {
  while (!life.signal.aborted && isProgram(pid, PROGRAM)) {
    await connectionEnd(life.address, life.signal)
    if (isProgram(pid, PROGRAM)) await clock.sleep(LOOK_MS, life.signal)
  }
}

function connectionEnd(address: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection(address)
    const close = () => socket.destroy()
    signal.addEventListener('abort', close, { once: true })
    socket.on('error', () => {}) // followed by `close`
    socket.once('close', () => {
      signal.removeEventListener('abort', close)
      resolve()
    })
    socket.resume()
  })
}

async function terminate(clock: Clock, pid: number): Promise<void> {
  const deadline = clock.monotonic() + STOP_MS
  signalQuietly(pid, 'SIGTERM')
  while (isProgram(pid, PROGRAM)) {
    if (clock.monotonic() > deadline) {
      signalQuietly(pid, 'SIGKILL')
      return
    }
    await clock.sleep(10)
  }
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // it has ended by itself
  }
}
