// Joins a client to a shim's stream socket: bytes both ways, each direction ends on its own.
import { type Duplex, type Readable, Transform } from 'node:stream'
import { StdcopyDecoder } from '../../wire/stdcopy.ts'
import { DetachFilter } from './detach-keys.ts'

/** A client that goes on sending after the output's end is listened to this long, then cut off. */
const LINGER_MS = 10_000

export interface SpliceOptions {
  /** The client's bytes go to the process; otherwise they are dropped. */
  stdin: boolean
  /** Only input from a terminal is searched for them. */
  detachKeys: readonly number[] | undefined
  /** As in Docker, the end of the client's input ends everything, unless the process's own input ends with it. */
  endsWithInput: boolean
  /** The client gets what is in the shim's frames. */
  unframed?: boolean
  /** Awaited between the end of the output and the end of the client's connection. */
  beforeEnd?: () => Promise<void>
}

export type SpliceEnd = 'output-ended' | 'client-gone' | 'detached'

/** Resolves when the two have nothing more to do with each other; both sockets are then closed or about to be. Never rejects. */
export async function splice(client: Duplex, shim: Duplex, options: SpliceOptions): Promise<SpliceEnd> {
  const output = options.unframed === true ? unframe(shim) : shim
  const end = await new Promise<SpliceEnd>((resolve) => {
    forwardInput(client, shim, options, resolve)
    output.pipe(client, { end: false })
    output.once('end', () => resolve('output-ended'))
    output.once('close', () => resolve('output-ended'))
    shim.once('error', () => shim.destroy())
    // A process without output may have ended before anybody listened: an empty socket tells its end even while paused.
    if (output.readableEnded || output.destroyed) resolve('output-ended')
    if (client.destroyed) resolve('client-gone')
    client.once('close', () => resolve('client-gone'))
    client.once('error', () => client.destroy())
  })
  if (end === 'output-ended') await options.beforeEnd?.()
  output.unpipe(client)
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

function forwardInput(client: Duplex, shim: Duplex, options: SpliceOptions, leave: (end: SpliceEnd) => void): void {
  if (!options.stdin) {
    client.resume()
    return
  }
  const filter = options.detachKeys === undefined ? undefined : new DetachFilter(options.detachKeys)
  // What has been written is the process's before the other side hears that its client has left.
  const leaveBehind = (bytes: Buffer, end: SpliceEnd) => {
    if (bytes.length === 0) leave(end)
    else shim.write(bytes, () => leave(end))
  }
  client.on('data', (chunk: Buffer) => {
    const { forward, isDetached } = filter?.push(chunk) ?? { forward: chunk, isDetached: false }
    if (isDetached) return leaveBehind(forward, 'detached')
    if (forward.length > 0 && !shim.write(forward)) {
      client.pause()
      shim.once('drain', () => client.resume())
    }
  })
  const onEnd = () => {
    const rest = filter?.flush() ?? Buffer.alloc(0)
    if (options.endsWithInput) leaveBehind(rest, 'client-gone')
    else shim.end(rest)
  }
  // A client without input has ended it while its container was being started; a socket tells that once.
  if (client.readableEnded) onEnd()
  else client.once('end', onEnd)
}

/** Ends with the shim's output, however that ends. */
function unframe(shim: Duplex): Readable {
  const decoder = new StdcopyDecoder()
  const output = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (const { payload } of decoder.decode(chunk)) this.push(payload)
      done()
    },
  })
  shim.pipe(output)
  shim.once('close', () => output.end())
  if (shim.readableEnded || shim.destroyed) output.end()
  return output
}
