// The two named pipes by which a created container is started (native/README.md, `await-fifo`).
import { join } from 'node:path'
import { checked, cString, libcIntFunction } from '../linux/libc.ts'

const mkfifo = libcIntFunction('mkfifo', 'str', 'uint')

/** Its presence says that the container has not been started. */
export const START_FIFO = 'exec.fifo'
export const STATUS_FIFO = 'exec.status'

export function makeFifos(directory: string): { fifo: string; status: string } {
  const paths = { fifo: join(directory, START_FIFO), status: join(directory, STATUS_FIFO) }
  for (const path of [paths.status, paths.fifo]) checked(mkfifo(cString(path, 'mkfifo'), 0o600), 'mkfifo', path)
  return paths
}
