// Joins a hijacked client to a shim's stream socket: bytes both ways, each direction ends on its own.
import type { Duplex } from 'node:stream'
import { DetachFilter } from './detach-keys.ts'

/** A client that goes on sending after the output's end is listened to this long, then cut off. */
const LINGER_MS = 10_000

export interface SpliceOptions {
  /** The client's bytes go to the process; otherwise they are dropped. */
  stdin: boolean
  /** Only input from a terminal is searched for them. */
  detachKeys: readonly number[] | undefined
  /** Awaited between the end of the output and the end of the client's connection. */
  beforeEnd?: () => Promise<void>
}

export type SpliceEnd = 'output-ended' | 'client-gone' | 'detached'

/** Resolves when the two have nothing more to do with each other; both sockets are then closed or about to be. Never rejects. */
export async function splice(client: Duplex, shim: Duplex, options: SpliceOptions): Promise<SpliceEnd> {
  const end = await new Promise<SpliceEnd>((resolve) => {
    forwardInput(client, shim, options, () => resolve('detached'))
    shim.pipe(client, { end: false })
    shim.once('end', () => resolve('output-ended'))
    shim.once('close', () => resolve('output-ended'))
    shim.once('error', () => shim.destroy())
    // A process without output may have ended before anybody listened: an empty socket tells its end even while paused.
    if (shim.readableEnded || shim.destroyed) resolve('output-ended')
    client.once('close', () => resolve('client-gone'))
    client.once('error', () => client.destroy())
  })
  if (end === 'output-ended') await options.beforeEnd?.()
  shim.unpipe(client)
  shim.destroy()
  endClient(client)
  return end
}

/**
 * The other direction was dealt with: the client reads what is there and sees the end. Its own bytes are read and dropped meanwhile, because a
 * socket that is closed with unread bytes resets its peer.
 */
export function endClient(client: Duplex): void {
  if (client.destroyed) return
  client.unpipe()
  client.removeAllListeners('data')
  client.resume()
  client.end()
  // With both directions ended the socket closes by itself.
  const timer = setTimeout(() => client.destroy(), LINGER_MS)
  timer.unref()
  client.once('close', () => clearTimeout(timer))
}

function forwardInput(client: Duplex, shim: Duplex, options: SpliceOptions, detach: () => void): void {
  if (!options.stdin) {
    client.resume()
    return
  }
  if (options.detachKeys === undefined) {
    client.pipe(shim)
    return
  }
  const filter = new DetachFilter(options.detachKeys)
  client.on('data', (chunk: Buffer) => {
    const { forward, isDetached } = filter.push(chunk)
    if (forward.length > 0 && !shim.write(forward)) {
      client.pause()
      shim.once('drain', () => client.resume())
    }
    if (isDetached) detach()
  })
  client.once('end', () => {
    shim.end(filter.flush())
  })
}
