// Compressed bytes to what they hold, chunk by chunk. The kind is known by the first bytes, since media types lie.
import { pipeline, Readable } from 'node:stream'
import * as zlib from 'node:zlib'
import type { Decompress as FzstdDecompress } from 'fzstd'
import { Failure, isFailure } from '../../base/failure.ts'
import { peekStart } from './peek-start.ts'
import { ZstdWindows } from './zstd-windows.ts'

export type Compression = 'gzip' | 'zstd' | 'none'

/** What `detectCompression` wants to see of a blob that has so many bytes. */
export const MAGIC_BYTES = 4

/** The first bytes of a blob, at least four of them where it has so many. */
export function detectCompression(start: Uint8Array): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b && start[2] === 8) return 'gzip'
  if (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) return 'zstd'
  // A skippable frame: zstd:chunked puts its table of contents into such ones.
  if ((start[0]! & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18) return 'zstd'
  return 'none'
}

const OUTPUT_SIZE = 512 * 1024
const ZSTD_SLICE_SIZE = 1024

export type Decompress = (chunks: AsyncIterable<Buffer>) => AsyncGenerator<Buffer>

/**
 * What turns bytes that start so into their content. Loads code, so call it before a thread's root changes. Reading and inflating
 * happen on the process's thread pool, one chunk ahead of who iterates. Damaged data throws Failure('invalid-argument'); what
 * the source throws comes through as it is.
 */
export async function loadDecompress(start: Uint8Array): Promise<Decompress> {
  const compression = detectCompression(start)
  const decode = await decoderOf(compression)
  return async function* decompressed(chunks) {
    try {
      // A gigabyte comes in 16 000 chunks: a layer of iteration that does nothing costs more than the bytes.
      if (decode === undefined) for await (const chunk of chunks) yield chunk
      else yield* decode(chunks)
    } catch (error) {
      throw damaged(compression, error)
    }
  }
}

/** The content of a stream, whatever it is compressed with, if with anything. */
export async function* decompress(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { start, whole } = await peekStart(source, MAGIC_BYTES)
  const decode = await loadDecompress(start)
  yield* decode(whole)
}

/** Undefined where there is nothing to decode. */
async function decoderOf(compression: Compression): Promise<Decompress | undefined> {
  if (compression === 'none') return undefined
  if (compression === 'gzip') return (chunks) => through(chunks, zlib.createGunzip(GUNZIP_OPTIONS))
  if ('createZstdDecompress' in zlib) {
    // Node 22.15 and later; unknown to the types of Node 20.
    const create = zlib.createZstdDecompress as (options: object) => NodeJS.ReadWriteStream
    return (chunks) => through(chunks, create({ chunkSize: OUTPUT_SIZE }))
  }
  const { Decompress } = await import('fzstd')
  return (chunks) => unzstd(chunks, Decompress)
}

/** One output chunk may wait for the reader while the next one is being made. */
const GUNZIP_OPTIONS: zlib.ZlibOptions & { highWaterMark: number } = {
  chunkSize: OUTPUT_SIZE,
  highWaterMark: 2 * OUTPUT_SIZE,
}

async function* through(chunks: AsyncIterable<Buffer>, transform: NodeJS.ReadWriteStream): AsyncGenerator<Buffer> {
  // The error reaches the iteration by the transform, which the pipeline destroys with it.
  pipeline(Readable.from(chunks, { objectMode: false }), transform, () => {})
  yield* transform as unknown as AsyncIterable<Buffer>
}

async function* unzstd(chunks: AsyncIterable<Buffer>, Decompress: typeof FzstdDecompress): AsyncGenerator<Buffer> {
  let ready: Buffer[] = []
  const stream = new Decompress((data) => {
    ready.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  })
  const windows = new ZstdWindows()
  for await (const chunk of chunks) {
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
  const isOurs = isFailure(error) || (error instanceof Error && error.name === 'AbortError')
  if (!(error instanceof Error) || isOurs || (error as NodeJS.ErrnoException).syscall !== undefined) return error
  const message = error.message === 'unexpected end of file' ? 'unexpected EOF' : error.message // Go's words
  return new Failure('invalid-argument', `${compression}: ${message}`, { cause: error })
}
