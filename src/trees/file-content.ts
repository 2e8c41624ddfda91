// The content of one file of a tree that somebody may be writing to, at this moment and with bad intentions.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import { BLOCK_SIZE, displayName } from '../wire/tar/entry.ts'
import type { FileFacts } from './file-facts.ts'

/** Of one piece of `contentOf`, at most. */
export const READ_SIZE = 512 * 1024

/** The container may have put a pipe where the file was, which must not make us wait. The caller closes it. */
export function openRegular(facts: FileFacts): number {
  return openSized(facts).fd
}

/** With its size at this moment. */
export function openSized(facts: FileFacts): { fd: number; size: number } {
  const fd = openSync(facts.location, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const now = fstatSync(fd, { bigint: true })
  if (now.isFile() && now.ino === facts.stats.ino) return { fd, size: Number(now.size) }
  closeSync(fd)
  throw new Failure('aborted', `${displayName(facts.location.toString('latin1'))}: replaced while it was read`)
}

/**
 * As many bytes as `size` says, holes as zeros, and zeros up to the next block. What is appended meanwhile is left out; where the file has been
 * cut short, `onShort` throws, or zeros are to stand for the rest. With a `buffer` of READ_SIZE each piece is good until the next; else it is the caller's.
 */
export function* contentOf(fd: number, size: number, onShort: () => void, buffer?: Buffer): Generator<Buffer> {
  for (let at = 0; at < size; ) {
    const wanted = Math.min(READ_SIZE, size - at)
    const piece = buffer ?? Buffer.allocUnsafeSlow(wanted)
    let read = readSync(fd, piece, 0, wanted, at)
    if (read === 0) {
      onShort()
      piece.fill(0, 0, wanted)
      read = wanted
    }
    at += read
    yield piece.subarray(0, read)
  }
  if (size % BLOCK_SIZE === 0) return
  const rest = BLOCK_SIZE - (size % BLOCK_SIZE)
  yield buffer === undefined ? Buffer.alloc(rest) : ZEROS.subarray(0, rest)
}

const ZEROS = Buffer.alloc(BLOCK_SIZE)
