// Standard output and error by write(2): what a program that lives for milliseconds says must be out before it ends, and the runtime's own
// stream objects cost two milliseconds to make.
import { writeSync } from 'node:fs'
import { sleepSync } from './sleep-sync.ts'

const RETRY_MS = 5

/** Writes all of it, also into a pipe that is set to non-blocking. Throws where the reader has gone. */
export function writeAll(fd: number, data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EAGAIN') throw error
      sleepSync(RETRY_MS)
    }
  }
}

export function print(text: string): void {
  writeAll(1, text)
}

export function printError(text: string): void {
  writeAll(2, text)
}
