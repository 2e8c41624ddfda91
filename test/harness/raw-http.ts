// HTTP by the byte, over a unix socket.
import { createConnection } from 'node:net'

export interface TalkOptions {
  /** The writing side is shut down behind the bytes. */
  end?: boolean
  /** Left out: until the other side closes. */
  until?: string
}

/** Sends raw bytes; what comes back. */
export function talkTo(socketPath: string, bytes: string, options: TalkOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: socketPath, allowHalfOpen: true })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (options.until !== undefined && text.includes(options.until)) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('end', () => socket.destroy())
    socket.on('close', () => resolve(text))
    if (options.end) socket.end(bytes)
    else socket.write(bytes)
  })
}

export const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4)
export const statusOf = (answer: string) => Number(answer.slice(9, 12))
