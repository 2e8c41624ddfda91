// Connecting to a unix socket whose path may be longer than the 107 bytes of sockaddr_un.
import { type FileHandle, open } from 'node:fs/promises'
import net from 'node:net'
import { basename, dirname } from 'node:path'

const PATH_MAX = 107

/** Rejects with Node's error (ENOENT, ECONNREFUSED, …). The socket stays half open when the peer ends. */
export async function connectUnix(path: string): Promise<net.Socket> {
  if (Buffer.byteLength(path) <= PATH_MAX) return await connected(path)
  await using directory = new OpenDirectory(await open(dirname(path), 'r'))
  return await connected(`/proc/self/fd/${directory.fd}/${basename(path)}`)
}

class OpenDirectory implements AsyncDisposable {
  private readonly handle: FileHandle

  constructor(handle: FileHandle) {
    this.handle = handle
  }

  get fd(): number {
    return this.handle.fd
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close()
  }
}

function connected(path: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path, allowHalfOpen: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
