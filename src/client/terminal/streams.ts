// This program's standard streams. Node's own stream objects cost milliseconds to make, so that only terminals get them.
import { fstatSync, write, writeSync } from 'node:fs'

export type OutputFd = 1 | 2

/** Writes all of it before it returns. */
export function print(fd: OutputFd, text: string): void {
  for (let bytes: Uint8Array = Buffer.from(text); bytes.length > 0; ) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw endOfOutput(error)
    }
  }
}

/** Waits for a slow terminal or pipe without standing in the way of signals. */
export async function writeBytes(fd: OutputFd, data: Uint8Array): Promise<void> {
  for (let bytes = data; bytes.length > 0; ) {
    const taken = await new Promise<number>((resolve, reject) =>
      write(fd, bytes, 0, bytes.length, null, (error, count) => {
        if (error === null || error === undefined) resolve(count)
        else if (error.code === 'EAGAIN') setTimeout(resolve, 1, 0)
        else reject(endOfOutput(error))
      }),
    )
    bytes = bytes.subarray(taken)
  }
}

/** Nobody reads any more: the end that SIGPIPE would have made. */
function endOfOutput(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(128 + 13)
  return error
}

/** The major number of /dev/null and its like. */
const MEMORY_DEVICES = 1

export function isTerminal(fd: 0 | OutputFd): boolean {
  try {
    const { rdev, mode } = fstatSync(fd)
    const isCharacterDevice = (mode & 0o170000) === 0o020000
    if (!isCharacterDevice || ((rdev >> 8) & 0xfff) === MEMORY_DEVICES) return false
  } catch {
    return false // closed
  }
  return (fd === 0 ? process.stdin : fd === 1 ? process.stdout : process.stderr).isTTY === true
}

export interface TerminalSize {
  rows: number
  columns: number
}

/** Undefined where `fd` is no terminal. */
export function terminalSize(fd: 0 | OutputFd): TerminalSize | undefined {
  if (!isTerminal(fd)) return undefined
  // Any of the three knows; the output's object is the one that can be asked.
  const [columns, rows] = (fd === 2 ? process.stderr : process.stdout).getWindowSize?.() ?? [0, 0]
  return { rows, columns }
}
