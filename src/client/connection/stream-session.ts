// A process's streams on this terminal: what attach, run, start and exec share.
import { messageOf } from '../../base/failure.ts'
import { ExitCode, type Shell } from '../command.ts'
import { DetachScanner, parseDetachKeys } from '../terminal/detach-keys.ts'
import { logLine } from '../terminal/log-line.ts'
import { isTerminal, terminalSize, writeBytes } from '../terminal/streams.ts'
import type { ByteStream } from './byte-stream.ts'
import { makeFrameWriter } from './copy-streams.ts'

export interface SessionOptions {
  /** Forward standard input. */
  stdin: boolean
  tty: boolean
  stdout: boolean
  stderr: boolean
  detachKeys: string
}

/** `detached`: the user typed the keys, the process goes on. */
export type SessionEnd = 'ended' | 'detached'

/** Docker refuses a terminal for the process where the client itself has none to type on. */
export function requireTerminal(attachStdin: boolean, tty: boolean): void {
  if (attachStdin && tty && !isTerminal(0)) throw new ExitCode(1, 'the input device is not a TTY')
}

/** Copies both ways until the engine ends its side. The terminal is raw meanwhile, and as before afterwards. */
export async function runSession(shell: Shell, stream: ByteStream, options: SessionOptions): Promise<SessionEnd> {
  const isRaw = options.tty && options.stdin && isTerminal(0)
  const restore = isRaw ? await enterRaw(shell) : () => {}
  try {
    const detached = forwardInput(stream, options)
    if (!options.stdout && !options.stderr) return await detached
    const never = new Promise<never>(() => {})
    return await Promise.race([
      copyOutput(stream, options).then(() => 'ended' as const),
      detached.then((end) => (end === 'detached' ? end : never)),
    ])
  } finally {
    restore()
    stream.destroy()
  }
}

/** Also a signal or an exception finds the terminal put back. */
async function enterRaw(shell: Shell): Promise<() => void> {
  const { makeRaw } = await import('../terminal/raw-mode.ts')
  const undo = await makeRaw()
  let isDone = false
  const restore = () => {
    if (!isDone) undo()
    isDone = true
  }
  process.once('exit', restore)
  shell.interruption.beforeExit(restore)
  return restore
}

/** Resolves when there is no more input, or the user has detached; the process then sees the end of its input. */
async function forwardInput(stream: ByteStream, options: SessionOptions): Promise<SessionEnd> {
  if (options.stdin) {
    const scanner = options.tty ? new DetachScanner(detachKeysOf(options.detachKeys)) : undefined
    try {
      for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
        const { bytes, isDetached } = scanner?.scan(chunk) ?? { bytes: chunk, isDetached: false }
        if (bytes.length > 0) await stream.write(bytes)
        if (isDetached) return 'detached'
      }
    } catch {
      // Input that cannot be read is input that has ended; a broken connection shows on the output.
    }
  }
  stream.endWrite()
  return 'ended'
}

function detachKeysOf(text: string): number[] {
  try {
    return parseDetachKeys(text)
  } catch (error) {
    logLine('warning', `invalid detach escape keys, using default: ${messageOf(error)}`)
    return parseDetachKeys('')
  }
}

/** Whether the stream is framed depends on the terminal alone: engines before API 1.42 do not say so in the content type. */
async function copyOutput(stream: ByteStream, { tty, stdout, stderr }: SessionOptions): Promise<void> {
  const writeFrames = makeFrameWriter({ stdout, stderr })
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    if (!tty) await writeFrames(chunk)
    else if (stdout) await writeBytes(1, chunk)
  }
}

const RESIZE_TRIES = 10

/** Sends this terminal's size now and whenever it changes. */
export function followSize(resize: (rows: number, columns: number) => Promise<unknown>): void {
  const send = async () => {
    const size = terminalSize(1)
    if (size !== undefined && (size.rows !== 0 || size.columns !== 0)) await resize(size.rows, size.columns)
  }
  void (async () => {
    // The process may not run yet.
    for (let tries = 0; ; tries++) {
      try {
        return await send()
      } catch {
        if (tries === RESIZE_TRIES) return
        await new Promise((resolve) => setTimeout(resolve, (tries + 1) * 10))
      }
    }
  })()
  process.on('SIGWINCH', () => void send().catch(() => {})) // the process may have ended
}

const PROXIED: readonly NodeJS.Signals[] = [
  ...(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGALRM'] as const),
]

/** Hands signals of this process on, until it ends; the third SIGINT or SIGTERM still ends it at once. */
export function proxySignals(shell: Shell, send: (signal: string) => Promise<unknown>): void {
  shell.interruption.hold()
  for (const signal of PROXIED) process.on(signal, () => void send(signal.slice(3)).catch(() => {})) // it may have ended
}
