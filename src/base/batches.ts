// The bytes of a stream in large pieces: a gigabyte comes in 16 000 chunks, and what each of them goes through costs more than the bytes.
import { finished, type Readable } from 'node:stream'

/** About that much, where so much comes. */
const BATCH_BYTES = 1 << 20
/** No byte waits longer for others. */
const WAIT_MS = 20

/**
 * One piece ahead of who iterates. Throws what the stream breaks with, after all that came before. The stream is destroyed where the iteration is left
 * before its end.
 */
export async function* inBatches(stream: Readable): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let size = 0
  let isDue = false
  let end: { error: unknown } | undefined
  let timer: NodeJS.Timeout | undefined
  let wake = (): void => {}
  const due = (): void => {
    isDue = true
    wake()
  }
  const take = (chunk: Buffer): void => {
    held.push(chunk)
    size += chunk.length
    if (size < BATCH_BYTES) timer ??= setTimeout(due, WAIT_MS)
    else {
      stream.pause()
      due()
    }
  }
  const stop = finished(stream, { writable: false }, (error) => {
    end = { error }
    due()
  })
  stream.on('data', take)
  try {
    for (;;) {
      while (!isDue)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      clearTimeout(timer)
      timer = undefined
      isDue = end !== undefined
      if (size > 0) {
        const batch = held.length === 1 ? held[0]! : Buffer.concat(held, size)
        held = []
        size = 0
        stream.resume()
        yield batch
      } else if (end !== undefined) break
    }
    if (end.error !== undefined && end.error !== null) throw end.error
  } finally {
    clearTimeout(timer)
    stop()
    stream.off('data', take)
    if (end === undefined) stream.destroy()
  }
}
