// A socket for one end of an HTTP/2 connection whose other end is Node's http2, too.
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/**
 * Takes every write at once and keeps for itself what the kernel does not take yet, so that reading never waits for writing.
 *
 * Node's http2 reads nothing while a write of its own is under way (Http2Session::OnDataChunkReceived, Node 20). With such a session at both
 * ends, and more bytes under way in both directions than the kernel's buffers hold, each waits for the other to read: for ever. One end that
 * always reads is enough. What is kept is bounded by the other end's flow control: its window for the connection, and the headers of the calls.
 */
export function eagerSocket(socket: Socket): Duplex {
  const eager = new Duplex({
    allowHalfOpen: false,
    write(chunk: Buffer, _encoding, done) {
      socket.write(chunk)
      done()
    },
    writev(chunks, done) {
      socket.cork()
      for (const { chunk } of chunks) socket.write(chunk as Buffer)
      socket.uncork()
      done()
    },
    final(done) {
      socket.end(() => done())
    },
    read() {
      socket.resume()
    },
    destroy(error, done) {
      socket.destroy()
      done(error)
    },
  })
  socket.on('data', (chunk: Buffer) => {
    if (!eager.push(chunk)) socket.pause()
  })
  socket.once('end', () => eager.push(null))
  socket.once('error', (error) => eager.destroy(error))
  socket.once('close', () => eager.destroy())
  return eager
}
