// Docker's stream framing: u8 stream, three zero bytes, u32 big-endian length, payload (Engine API, "Stream format").

export type StdStream = 'stdin' | 'stdout' | 'stderr' | 'systemerr'
const STREAMS: readonly StdStream[] = ['stdin', 'stdout', 'stderr', 'systemerr']
const HEADER_BYTES = 8

/** Takes bytes as they come and hands on payloads as they come; a frame need not fit in memory. */
export class StdcopyDecoder {
  #header = Buffer.alloc(HEADER_BYTES)
  #headerBytes = 0
  #left = 0
  #stream: StdStream = 'stdout';

  /** Throws on a stream number that does not exist: the peer does not speak this framing. */
  *decode(chunk: Uint8Array): Generator<{ stream: StdStream; payload: Uint8Array }> {
    for (let offset = 0; offset < chunk.length; ) {
      if (this.#left === 0) {
        const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - offset)
        this.#header.set(chunk.subarray(offset, offset + taken), this.#headerBytes)
        this.#headerBytes += taken
        offset += taken
        if (this.#headerBytes < HEADER_BYTES) return
        this.#headerBytes = 0
        const stream = STREAMS[this.#header[0] ?? 255]
        if (stream === undefined) throw new Error(`Unrecognized input header: ${this.#header[0]}`)
        this.#stream = stream
        this.#left = this.#header.readUInt32BE(4)
      } else {
        const payload = chunk.subarray(offset, offset + this.#left)
        offset += payload.length
        this.#left -= payload.length
        yield { stream: this.#stream, payload }
      }
    }
  }
}
