// The compressions that a layer may be made with. The same bytes in give the same bytes out.
import { pipeline, Readable } from 'node:stream'
import * as zlib from 'node:zlib'

export type Compression = 'none' | 'gzip' | 'zstd'

export type Compress = (chunks: AsyncIterable<Buffer>) => AsyncIterable<Uint8Array>

/** Loads code, so call it before the thread's root changes. */
export async function loadCompress(compression: Compression): Promise<Compress> {
  if (compression === 'none') return (chunks) => chunks
  if (compression === 'gzip') return gzip
  const { Zstd } = await import('@hpcc-js/wasm-zstd')
  const zstd = await Zstd.load()
  return async function* compressed(chunks) {
    zstd.reset()
    zstd.setCompressionLevel(ZSTD_LEVEL)
    for await (const chunk of chunks) {
      const bytes = zstd.compressChunk(chunk)
      if (bytes.length > 0) yield bytes.slice()
    }
    yield zstd.compressEnd().slice()
  }
}

/** The zstd program's own. */
const ZSTD_LEVEL = 3
const OUTPUT_SIZE = 256 * 1024

async function* gzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  const transform = zlib.createGzip({ chunkSize: OUTPUT_SIZE })
  // The error reaches the iteration by the transform, which the pipeline destroys with it.
  pipeline(Readable.from(chunks, { objectMode: false }), transform, () => {})
  yield* transform as AsyncIterable<Buffer>
}
