// A process's streams on this terminal: what attach, run and exec share.
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { StdcopyDecoder } from '../../wire/stdcopy.ts'
import type { Shell } from '../command.ts'
import type { Hijacked } from './connection.ts'

export interface SessionOptions {
  /** Forward standard input. */
  stdin: boolean
  tty: boolean
  /** Leave out one of the two. */
  stdout?: boolean
  stderr?: boolean
}

/** Copies both ways until the engine ends its side. The terminal is raw meanwhile, and as before afterwards. */
export async function runSession(shell: Shell, hijacked: Hijacked, options: SessionOptions): Promise<void> {
  const { socket } = hijacked
  const isRaw = options.tty && options.stdin && shell.stdin.isTTY
  if (isRaw) shell.stdin.setRawMode(true)
  try {
    if (options.stdin) forwardStdin(shell.stdin, socket)
    else if (!options.tty) socket.end() // nothing will be typed: the process sees the end of its input
    await copyOutput(
      hijacked,
      options.tty,
      options.stdout === false ? undefined : shell.stdout,
      options.stderr === false ? undefined : shell.stderr,
    )
  } finally {
    if (isRaw) shell.stdin.setRawMode(false)
    shell.stdin.pause()
    socket.destroy()
  }
}

function forwardStdin(stdin: NodeJS.ReadStream, socket: Hijacked['socket']): void {
  socket.on('error', () => {}) // the process may end before its input does
  stdin.pipe(socket) // ends the writing half at the end of input, the reading half goes on
}

/** Whether the stream is framed depends on the terminal alone: engines before API 1.42 do not say so in the content type. */
async function copyOutput(
  { socket }: Hijacked,
  isTty: boolean,
  stdout: Writable | undefined,
  stderr: Writable | undefined,
): Promise<void> {
  const decoder = new StdcopyDecoder()
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      if (isTty) {
        if (stdout !== undefined) await write(stdout, chunk)
        continue
      }
      for (const { stream, payload } of decoder.decode(chunk)) {
        const target = stream === 'stdout' ? stdout : stderr
        if (target !== undefined) await write(target, payload)
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  }
}

/** Waits for a slow terminal or pipe instead of piling up. */
export async function write(target: Writable, bytes: Uint8Array): Promise<void> {
  if (!target.write(bytes)) await once(target, 'drain')
}

/** Sends this terminal's size now and whenever it changes; the returned function stops that. */
export function followSize(shell: Shell, resize: (rows: number, columns: number) => Promise<unknown>): () => void {
  if (!shell.stdout.isTTY) return () => {}
  const send = () => void resize(shell.stdout.rows, shell.stdout.columns).catch(() => {}) // the process may not run yet, or no longer
  send()
  shell.stdout.on('resize', send)
  return () => void shell.stdout.off('resize', send)
}

const PROXIED: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGALRM',
]

/** Hands signals of this process on; the returned function stops that. */
export function proxySignals(send: (signal: string) => Promise<unknown>): () => void {
  const handlers = PROXIED.map((signal) => {
    const handler = () => void send(signal.slice(3)).catch(() => {}) // it may have ended already
    process.on(signal, handler)
    return () => void process.off(signal, handler)
  })
  return () => {
    for (const stop of handlers) stop()
  }
}
