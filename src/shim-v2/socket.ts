// The unix socket that a shim serves on: its name, and how it is listened on by one process and served by another.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { Fd, Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
const BACKLOG = 128
/** One byte below what sockaddr_un takes, as containerd counts. */
const PATH_BYTES_MAX = 106
const CONNECT_MS = 100

export const SOCKET_DIRECTORY = '/run/containerd/s'

/** The same for the same three, so that a second `start` of a group finds the first one's shim. */
export function socketPath(directory: string, of: { address: string; namespace: string; group: string }): string {
  const name = createHash('sha256')
    .update(join(of.address, of.namespace, of.group))
    .digest('hex')
  return join(directory, name)
}

/** @returns the listening socket, or undefined where a living process listens there already. What a dead one left is replaced. */
export async function listenOrFind(kernel: Kernel, path: string): Promise<Fd | undefined> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX)
    throw new Failure('invalid-argument', `${JSON.stringify(path)}: unix socket path too long (> ${PATH_BYTES_MAX})`)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    return listen(kernel, path)
  } catch (error) {
    if (!hasErrno(error, 'EADDRINUSE')) throw error
  }
  if (await canConnect(path)) return undefined
  rmSync(path, { force: true })
  return listen(kernel, path)
}

export function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path })
    const settle = (answer: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(settle, CONNECT_MS, false)
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}

function listen(kernel: Kernel, path: string): Fd {
  const socket = kernel.socket(AF_UNIX, SOCK_STREAM, 0)
  const umask = process.umask(0o177) // no moment with a socket that others may open
  try {
    kernel.bind(socket, unixAddress(path))
    chmodSync(path, 0o600)
    kernel.listen(socket, BACKLOG)
    return socket
  } catch (error) {
    kernel.close(socket)
    throw error
  } finally {
    process.umask(umask)
  }
}

/** struct sockaddr_un. */
function unixAddress(path: string): Uint8Array {
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(`${path}\0`)])
}

/** The path that a listening socket is bound to; '' where it has none. */
export function pathOfSocket(kernel: Kernel, socket: Fd): string {
  const address = Buffer.from(kernel.getsockname(socket))
  if (address.readUInt16LE(0) !== AF_UNIX) throw new Failure('invalid-argument', 'descriptor 3 is no unix socket')
  const end = address.indexOf(0, 2)
  return address.toString('utf8', 2, end < 0 ? address.length : end)
}
