// What a command sends to the engine: a file, or what comes on standard input.
import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { REASONS } from './local-place.ts'

const PIECE_BYTES = 256 * 1024

export async function* standardInput(): AsyncGenerator<Uint8Array> {
  for await (const bytes of process.stdin as AsyncIterable<Uint8Array>) yield bytes
}

/** Opened at once, so that a file that can't be is told of before the engine is asked. Closed with the iteration. */
export function openInput(path: string): AsyncIterable<Uint8Array> {
  const fd = open(path)
  if (fstatSync(fd).isDirectory()) {
    closeSync(fd)
    throw new Failure('invalid-argument', `read ${path}: is a directory`)
  }
  return createReadStream(path, { fd, highWaterMark: PIECE_BYTES })
}

/** Throws in the words of Go's os package. */
function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const why = REASONS[code]
    if (why === undefined) throw error
    throw new Failure('invalid-argument', `open ${path}: ${why}`, { cause: error })
  }
}
