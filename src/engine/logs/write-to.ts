// Writing with backpressure to whatever a client reads from.
import type { Writable } from 'node:stream'

/** Resolves once the bytes are on their way or the other side is gone; never rejects. */
export function writeTo(target: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (target.destroyed || target.writableEnded) return resolve()
    const done = () => {
      target.removeListener('close', done)
      resolve()
    }
    target.once('close', done)
    target.write(bytes, done)
  })
}
