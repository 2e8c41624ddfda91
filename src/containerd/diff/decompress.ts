// What a stored blob holds once it is unpacked, as chunks.
import { read } from 'node:fs'
import { promisify } from 'node:util'
import type { Fd } from '../../linux/kernel.ts'
import * as compression from '../../wire/compression/decompress.ts'

const READ_SIZE = 256 * 1024

export type Decompress = (blob: Fd) => AsyncGenerator<Buffer>

/**
 * What turns a blob that starts with these bytes into its content. Loads code, so call it before the thread's root changes.
 * The descriptor stays the caller's. Damaged data throws Failure('invalid-argument').
 */
export async function loadDecompress(start: Uint8Array): Promise<Decompress> {
  const decompress = await compression.loadDecompress(start)
  return (blob) => decompress(blobChunks(blob))
}

const readAt = promisify(read)

async function* blobChunks(blob: Fd): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await readAt(blob, Buffer.allocUnsafeSlow(READ_SIZE), 0, READ_SIZE, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
