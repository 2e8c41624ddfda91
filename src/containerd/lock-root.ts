// One daemon per data directory.
import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync } from 'node:fs'
import { createServer } from 'node:net'
import { Failure } from '../base/failure.ts'

/**
 * Held until closed or until this process ends, however it ends: the lock is an abstract socket's name, which the kernel takes back.
 * Throws `already-exists` when another process (of this network namespace) holds it.
 */
export async function lockRoot(root: string): Promise<AsyncDisposable> {
  mkdirSync(root, { recursive: true, mode: 0o711 })
  const hash = createHash('sha256').update(realpathSync(root)).digest('hex').slice(0, 40)
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Failure('already-exists', `${root} is in use by another process`)
          : new Failure('internal', `lock ${root}: ${error.message}`, { cause: error }),
      ),
    )
    server.listen(`\0berth-containerd-${hash}`, resolve)
  })
  server.unref()
  return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) }
}
