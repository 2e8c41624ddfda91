// A connection as bytes both ways, over whichever socket the runtime opens fastest.

/** Reads come in order of arrival and wait; the peer is slowed down while nobody reads. */
export interface ByteStream {
  /** Undefined at the end. Throws what broke the connection. */
  read(): Promise<Uint8Array | undefined>
  /** Puts bytes back in front of what is to be read next. */
  unread(bytes: Uint8Array): void
  /** Resolves when more may be written. */
  write(bytes: Uint8Array | string): Promise<void>
  /** Ends the writing half; reading goes on. */
  endWrite(): void
  /** Lets go at once. */
  destroy(): void
  /** False once either side has closed. */
  readonly isOpen: boolean
}

/** Where to connect. */
export type Target =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number; tls?: TlsFiles }
  | { kind: 'command'; argv: readonly string[] }

export interface TlsFiles {
  ca: string | undefined
  cert: string | undefined
  key: string | undefined
  verify: boolean
}

const HIGH_WATER_BYTES = 1024 * 1024

/** What has arrived and is not read yet. */
export class Inbox {
  #chunks: Uint8Array[] = []
  #bytes = 0
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined
  readonly #slow: (isSlow: boolean) => void

  /** @param slow told when too much waits to be read, and when that is over. */
  constructor(slow: (isSlow: boolean) => void) {
    this.#slow = slow
  }

  get isEnded(): boolean {
    return this.#ended
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes > HIGH_WATER_BYTES) this.#slow(true)
    this.#wake?.()
  }

  unread(chunk: Uint8Array): void {
    this.#chunks.unshift(chunk)
    this.#bytes += chunk.length
  }

  end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#wake?.()
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    const chunk = this.#chunks.shift()
    this.#bytes -= chunk?.length ?? 0
    if (this.#bytes <= HIGH_WATER_BYTES / 4) this.#slow(false)
    return chunk
  }
}

/**
 * Connects. Under Bun its own sockets are used: loading `node:net` costs as much time as everything else of a command.
 * Throws the system's error.
 */
export async function openByteStream(target: Target): Promise<ByteStream> {
  if (target.kind !== 'command' && !(target.kind === 'tcp' && target.tls) && 'Bun' in globalThis) {
    const { openBunStream } = await import('./bun-stream.ts')
    return openBunStream(target)
  }
  const { openNodeStream } = await import('./node-stream.ts')
  return openNodeStream(target)
}
