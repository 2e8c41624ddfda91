// Attaching to a process's standard streams at the shim's stream socket (native/README.md, "Stream socket").
import type net from 'node:net'
import { Failure } from '../base/failure.ts'
import { connectUnix } from './connect-unix.ts'
import type { ProcessName } from './shim.ts'

const ANSWER_MAX = 64
const ERRNO_NOT_FOUND = new Set([2, 3])

/** Which streams an attach client wants. */
export interface StreamChoice {
  stdin: boolean
  stdout: boolean
  stderr: boolean
}

/** A socket on which nothing but the streams follows, paused until `resume()` or `pipe()`; who called destroys it. `framed`: Docker's 8-byte headers. */
export interface AttachedStream {
  socket: net.Socket
  framed: boolean
}

/**
 * Resolves once the shim has attached the connection: all output from then on arrives on it.
 * Throws Failure('not-found') for a process that is unknown or whose output has ended, 'unavailable' where no shim listens.
 */
export async function connectStream(
  socketPath: string,
  process: ProcessName,
  choice: StreamChoice,
): Promise<AttachedStream> {
  return await attachStream(await openStream(socketPath), process, choice)
}

/** A connection that is not attached to anything yet. Throws Failure('unavailable') where no shim listens. */
export async function openStream(socketPath: string): Promise<net.Socket> {
  const socket = await connectUnix(socketPath).catch((error: unknown) => {
    throw new Failure('unavailable', 'attach: no shim listens', { cause: error })
  })
  socket.on('error', () => socket.destroy()) // nobody else listens until it is attached
  return socket
}

/**
 * As `connectStream`. The question is out when the call returns, before its answer is there: a process that the shim is asked to start after that has no output
 * that is missed. Takes the socket over. Throws, and does not reject, where the shim has hung up already.
 */
export function attachStream(socket: net.Socket, process: ProcessName, choice: StreamChoice): Promise<AttachedStream> {
  if (!socket.readableEnded && !socket.destroyed) return ask(socket, process, choice)
  socket.destroy()
  throw new Failure('unavailable', 'attach: the shim has hung up')
}

async function ask(socket: net.Socket, process: ProcessName, choice: StreamChoice): Promise<AttachedStream> {
  try {
    const flags = `${choice.stdin ? 'i' : ''}${choice.stdout ? 'o' : ''}${choice.stderr ? 'e' : ''}`
    socket.write(`attach ${process} ${flags}\n`)
    return { socket, framed: parseAnswer(process, await readLine(socket)) }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function parseAnswer(process: ProcessName, line: string): boolean {
  if (line === 'ok framed') return true
  if (line === 'ok raw') return false
  const errno = Number(/^error (\d+)$/.exec(line)?.[1] ?? 0)
  if (ERRNO_NOT_FOUND.has(errno)) throw new Failure('not-found', `attach ${process}: no such process`)
  throw new Failure('internal', `attach ${process}: the shim answers ${JSON.stringify(line)}`)
}

/** Takes the first line; what came with it goes back into the socket. */
function readLine(socket: net.Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let read: Buffer = Buffer.alloc(0)
    const settle = (): void => {
      socket.pause()
      socket.off('data', onData).off('error', onFailure).off('end', onFailure)
    }
    const onFailure = (error?: Error): void => {
      settle()
      reject(new Failure('unavailable', 'attach: the shim has hung up', { cause: error }))
    }
    const onData = (chunk: Buffer): void => {
      read = Buffer.concat([read, chunk])
      const end = read.indexOf(0x0a)
      if (end < 0 && read.length <= ANSWER_MAX) return
      if (end < 0) return onFailure()
      settle()
      if (end + 1 < read.length) socket.unshift(read.subarray(end + 1))
      resolve(read.toString('latin1', 0, end))
    }
    socket.on('data', onData).once('error', onFailure).once('end', onFailure)
  })
}
