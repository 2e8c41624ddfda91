// Bytes over a named stream: the receiver grants a window, the sender stays within it (types/transfer/streaming.proto).
import { create } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { Failure } from '../../base/failure.ts'
import { DataSchema, WindowUpdateSchema } from '../../gen/types/transfer/streaming_pb.ts'
import { varint } from '../../wire/grpc/frames.ts'
import { packMessage, unpackMessage } from '../client/any.ts'
import { cancelled, type NamedStream, until } from './named-stream.ts'

export const CHUNK_BYTES = 32 * 1024
const WINDOW_BYTES = 2 * CHUNK_BYTES

/** What the client sends, to its end. Closes the stream however the iteration ends. Throws `cancelled` where the client is gone. */
export async function* receiveBytes(stream: NamedStream): AsyncGenerator<Buffer> {
  let window = 0
  try {
    for (;;) {
      while (window < WINDOW_BYTES) {
        stream.send(packMessage(WindowUpdateSchema, create(WindowUpdateSchema, { update: WINDOW_BYTES })))
        window += WINDOW_BYTES
      }
      const message = await stream.receive()
      if (message === undefined) return
      const data = unpackMessage(DataSchema, message)?.data
      if (data === undefined) continue
      window -= data.length
      yield Buffer.from(data.buffer, data.byteOffset, data.length)
    }
  } finally {
    stream.close()
  }
}

/** Sends all of it and closes the stream, whatever happens. Throws what the source throws, and `cancelled` where the client reads no more. */
export async function sendBytes(
  stream: NamedStream,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const window = new Window(stream, signal)
  try {
    for await (const chunk of source) await sendChunk(stream, window, chunk)
    await window.settled()
  } finally {
    stream.close()
  }
}

async function sendChunk(stream: NamedStream, window: Window, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const size = Math.min(chunk.length - at, await window.open())
    const data = chunk.subarray(at, at + size)
    if (!stream.send(packData(data))) throw goneFailure()
    window.take(size)
    at += size
  }
}

/** Field 1 of a Data, by hand: half a million messages make an archive of 16 GB. */
function packData(data: Buffer): Any {
  const value = Buffer.concat([Buffer.from([DATA_TAG, ...varint(data.length)]), data])
  return create(AnySchema, { typeUrl: DataSchema.typeName, value })
}

const DATA_TAG = 0x0a

/** What the client will take, as it tells. */
class Window {
  #size = 0
  #ended: unknown
  #wake: () => void = () => {}
  readonly #signal: AbortSignal

  constructor(stream: NamedStream, signal: AbortSignal) {
    this.#signal = signal
    void this.#follow(stream)
  }

  /** Its size, once it is not 0. */
  async open(): Promise<number> {
    while (this.#size <= 0) await this.#change()
    if (this.#signal.aborted) throw cancelled(this.#signal)
    return this.#size
  }

  take(size: number): void {
    this.#size -= size
  }

  /** A client whose window is below its measure tells so once it has taken in what was sent: the call's end shall not overtake that. */
  async settled(): Promise<void> {
    while (this.#size < WINDOW_BYTES && this.#ended === undefined) await this.#change().catch(() => {})
    if (this.#signal.aborted) throw cancelled(this.#signal)
  }

  async #change(): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended
    await until(
      new Promise<void>((resolve) => {
        this.#wake = resolve
      }),
      this.#signal,
    )
    if (this.#ended !== undefined && this.#size <= 0) throw this.#ended
  }

  async #follow(stream: NamedStream): Promise<void> {
    try {
      for (let message = await stream.receive(); message !== undefined; message = await stream.receive()) {
        this.#size += unpackMessage(WindowUpdateSchema, message)?.update ?? 0
        this.#wake()
      }
      this.#ended = goneFailure()
    } catch (error) {
      this.#ended = error
    }
    this.#wake()
  }
}

function goneFailure(): Failure {
  return new Failure('cancelled', 'the stream has no receiver any more: context canceled')
}
