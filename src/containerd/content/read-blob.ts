// A blob's bytes, out of its file.
import { closeSync, createReadStream, openSync, readSync } from 'node:fs'

/** Containerd's clients read messages of up to 16 MiB; a megabyte keeps the number of messages low and memory too. */
const READ_CHUNK_BYTES = 1 << 20
const READ_AT_ONCE_BYTES = 64 << 10

/** Of a file that is there: `length` bytes from `offset`, both in bytes. Each chunk is the reader's to keep. */
export function readBlob(path: string, offset: number, length: number): AsyncIterable<Buffer> {
  if (length === 0) return each([])
  // Manifests and configurations, which clients read again and again: a thread of the pool costs more than what it would do.
  if (length <= READ_AT_ONCE_BYTES) return each([readRange(path, offset, length)])
  return createReadStream(path, { start: offset, end: offset + length - 1, highWaterMark: READ_CHUNK_BYTES })
}

async function* each(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks
}

/** Synchronous. */
function readRange(path: string, offset: number, length: number): Buffer {
  const fd = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(length)
    return bytes.subarray(0, readSync(fd, bytes, 0, length, offset))
  } finally {
    closeSync(fd)
  }
}
