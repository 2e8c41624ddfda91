// The body of a request that asks for an upgrade. Node hands such a request over with everything behind its headers unread, yet
// `exec start` sends JSON there. What follows the body already belongs to the stream.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Failure } from '../../base/failure.ts'

const BODY_BYTES_MAX = 1024 * 1024

/** Puts the bytes behind the body back into the socket. Call once, before anything else reads from it. */
export async function takeUpgradeBody(
  request: Pick<IncomingMessage, 'headers'>,
  socket: Socket,
  head: Buffer,
): Promise<Buffer> {
  const isChunked = /\bchunked\b/i.test(request.headers['transfer-encoding'] ?? '')
  const length = Number(request.headers['content-length'] ?? 0)
  if (length > BODY_BYTES_MAX) throw new Failure('invalid-argument', 'http: request body too large')
  let held = head
  for (;;) {
    const split = isChunked ? splitChunked(held) : splitAt(held, length)
    if (split) {
      if (split.rest.length > 0) socket.unshift(split.rest)
      return split.body
    }
    if (held.length > 2 * BODY_BYTES_MAX) throw new Failure('invalid-argument', 'http: request body too large')
    held = Buffer.concat([held, await readSome(socket)])
  }
}

interface Split {
  body: Buffer
  rest: Buffer
}

function splitAt(held: Buffer, length: number): Split | undefined {
  if (held.length < length) return undefined
  return { body: held.subarray(0, length), rest: held.subarray(length) }
}

/** Undefined while the last chunk has not arrived. Trailers are not supported: no client of this API sends any. */
function splitChunked(held: Buffer): Split | undefined {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = held.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = /^([0-9a-f]{1,7})(?:;.*)?$/i.exec(held.toString('latin1', at, lineEnd))?.[1]
    if (size === undefined) throw new Failure('invalid-argument', 'http: invalid chunk length')
    const start = lineEnd + 2
    const end = start + Number.parseInt(size, 16)
    if (held.length < end + 2) return undefined
    if (held.toString('latin1', end, end + 2) !== '\r\n') throw new Failure('invalid-argument', 'http: malformed chunk')
    at = end + 2
    if (end === start) return { body: Buffer.concat(parts), rest: held.subarray(at) }
    parts.push(held.subarray(start, end))
  }
}

function readSome(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (action: () => void) => {
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onEnd)
      socket.pause()
      action()
    }
    const onData = (chunk: Buffer) => settle(() => resolve(chunk))
    const onEnd = () => settle(() => reject(new Failure('invalid-argument', 'unexpected EOF')))
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onEnd)
    socket.resume()
  })
}
