// A stored file's bytes on their way to a client.
import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import { Readable, type Writable } from 'node:stream'
import type { ByteRange } from './store.ts'

/** Of a stream's chunk, which is allocated anew for each. */
const CHUNK_BYTES = 256 * 1024
/** Two of them are used over and over; more no longer fit the processor's cache. */
const PIECE_BYTES = 512 * 1024

/** Owns the file, and closes it when it has ended or is destroyed. */
export class FileBody extends Readable {
  readonly #file: FileHandle
  readonly #end: number
  #at: number

  /** @param range by default to the end of the file. */
  constructor(file: FileHandle, range?: ByteRange) {
    super({ highWaterMark: CHUNK_BYTES })
    this.#file = file
    this.#at = range?.start ?? 0
    this.#end = range === undefined ? Number.POSITIVE_INFINITY : range.end + 1
  }

  /**
   * In place of being read: all of it goes to `target`, which is ended. A stream's reader may keep a chunk, so that each has to be memory that was never used;
   * here one piece is read while the other is written. Rejects with what went wrong, also where the target is closed before its end; both are destroyed then.
   */
  async sendTo(target: Writable): Promise<void> {
    const closed = new AbortController()
    const onClose = () => closed.abort()
    target.once('close', onClose)
    let reading: Promise<Buffer> | undefined
    try {
      const pieces = [Buffer.alloc(0), Buffer.alloc(0)]
      const read = (turn: number) => {
        const room = Math.min(PIECE_BYTES, this.#end - this.#at)
        if (pieces[turn]!.length < room) pieces[turn] = Buffer.allocUnsafeSlow(room)
        reading = this.#next(pieces[turn]!)
        reading.catch(() => {}) // told by the await below
        return reading
      }
      read(0)
      for (let turn = 1; ; turn = 1 - turn) {
        const piece = await reading!
        if (piece.length === 0) break
        read(turn)
        await written(target, piece, closed.signal)
      }
      target.end()
      if (!target.writableFinished) await once(target, 'finish', { signal: closed.signal })
    } catch (error) {
      target.destroy(error as Error)
      throw error
    } finally {
      target.off('close', onClose)
      await reading?.catch(() => {})
      this.on('error', () => {}) // it was only read: no byte depends on how its closing goes
      this.destroy()
      await once(this, 'close')
    }
  }

  override _read(): void {
    this.#next(Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, this.#end - this.#at))).then(
      (chunk) => this.push(chunk.length > 0 ? chunk : null),
      (error: Error) => this.destroy(error),
    )
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#file.close().then(
      () => callback(error),
      (reason: Error) => callback(error ?? reason),
    )
  }

  /** What comes next, in the front of `buffer`; empty at the end. */
  async #next(buffer: Buffer): Promise<Buffer> {
    const size = Math.min(buffer.length, this.#end - this.#at)
    const { bytesRead } = size === 0 ? { bytesRead: 0 } : await this.#file.read(buffer, 0, size, this.#at)
    if (bytesRead === 0 && this.#at < this.#end && Number.isFinite(this.#end))
      throw new Error(`the file ends at ${this.#at}, not at ${this.#end}`) // what it is told to be is longer
    this.#at += bytesRead
    return buffer.subarray(0, bytesRead)
  }
}

/** Resolves when the bytes are the kernel's, and the piece may be used again. A target that has been closed may never say so. */
function written(target: Writable, piece: Uint8Array, closed: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClosed = () => reject(new Error('closed before its end'))
    if (closed.aborted) return onClosed()
    closed.addEventListener('abort', onClosed, { once: true })
    target.write(piece, (error) => {
      closed.removeEventListener('abort', onClosed)
      if (error) reject(error)
      else resolve()
    })
  })
}
