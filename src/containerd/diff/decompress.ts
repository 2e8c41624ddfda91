// What a blob holds once it is unpacked, as chunks. The kind is known by its first bytes, since media types lie.
import { read } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import type { Decompress as FzstdDecompress } from 'fzstd'
import { Failure } from '../../base/failure.ts'
import type { Fd } from '../../linux/kernel.ts'
import { ZstdWindows } from './zstd-windows.ts'

export type Compression = 'gzip' | 'zstd' | 'none'

/** The first bytes of a blob, at least four of them where it has so many. */
export function detectCompression(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b && start[2] === 8) return 'gzip'
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) return 'zstd'
  // A skippable frame: zstd:chunked puts its table of contents into such ones.
  if ((start[0]! & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18) return 'zstd'
  return 'none'
}

const READ_SIZE = 256 * 1024
const OUTPUT_SIZE = 512 * 1024
const ZSTD_SLICE_SIZE = 1024

export type Decompress = (blob: Fd) => AsyncGenerator<Buffer>

/**
 * What turns a blob that starts with these bytes into its content. Loads code, so call it before the thread's root changes.
 * Reading and inflating happen on the process's thread pool, one chunk ahead of who iterates; the descriptor stays the
 * caller's. Damaged data throws Failure('invalid-argument').
 */
export async function loadDecompress(start: Uint8Array): Promise<Decompress> {
  const compression = detectCompression(start)
  const chunks = await decoderOf(compression)
  return async function* decompressed(blob) {
    try {
      yield* chunks(blob)
    } catch (error) {
      throw damaged(compression, error)
    }
  }
}

async function decoderOf(compression: Compression): Promise<Decompress> {
  if (compression === 'none') return blobChunks
  if (compression === 'gzip') return (blob) => through(blob, zlib.createGunzip(GUNZIP_OPTIONS))
  if ('createZstdDecompress' in zlib) {
    // Node 22.15 and later; unknown to the types of Node 20.
    const create = zlib.createZstdDecompress as (options: object) => NodeJS.ReadWriteStream
    return (blob) => through(blob, create({ chunkSize: OUTPUT_SIZE }))
  }
  const { Decompress } = await import('fzstd')
  return (blob) => unzstd(blob, Decompress)
}

/** One output chunk may wait for the reader while the next one is being made. */
const GUNZIP_OPTIONS: zlib.ZlibOptions & { highWaterMark: number } = {
  chunkSize: OUTPUT_SIZE,
  highWaterMark: 2 * OUTPUT_SIZE,
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

async function* through(blob: Fd, transform: NodeJS.ReadWriteStream): AsyncGenerator<Buffer> {
  // The error reaches the iteration by the transform, which the pipeline destroys with it.
  pipeline(Readable.from(blobChunks(blob), { objectMode: false }), transform, () => {})
  yield* transform as unknown as AsyncIterable<Buffer>
}

async function* unzstd(blob: Fd, Decompress: typeof FzstdDecompress): AsyncGenerator<Buffer> {
  let ready: Buffer[] = []
  const stream = new Decompress((data) => {
    ready.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  })
  const windows = new ZstdWindows()
  for await (const chunk of blobChunks(blob)) {
    windows.push(chunk)
    // Slice by slice: what the decoder makes of one is all held at once, and three bytes can mean 128 KiB.
    for (let at = 0; at < chunk.length; at += ZSTD_SLICE_SIZE) {
      stream.push(chunk.subarray(at, at + ZSTD_SLICE_SIZE))
      yield* ready
      ready = []
    }
  }
  stream.push(new Uint8Array(0), true)
  yield* ready
}

function damaged(compression: Compression, error: unknown): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).syscall !== undefined) return error
  return new Failure('invalid-argument', `${compression}: ${error.message}`, { cause: error })
}
