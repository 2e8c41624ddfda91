// Who may say no to a request, or to its answer. The server asks; authz/ is the one that answers.
import type { IncomingMessage } from 'node:http'
import { Failure } from '../../base/failure.ts'

export interface RequestGuard {
  /** False: requests pass without a question. */
  isOn(): boolean
  /** Throws the refusal. `readBody` gives the whole body, or undefined where it is longer than that. */
  admit(request: IncomingMessage, readBody: (bytesMax: number) => Promise<Buffer | undefined>): Promise<Admission>
}

export interface Admission {
  /** What was read of the request, for its handler to read again; undefined: nothing was. */
  readonly body: Buffer | undefined
  /** Throws where the answer must not go out. `body` is absent where the answer is a stream. */
  release(answer: {
    status: number
    headers: Readonly<Record<string, string>>
    body: Buffer | undefined
  }): Promise<void>
}

/** At most that many bytes; undefined for a longer body, the rest of which stays unread. Its connection stays open for the answer. */
export function readAtMost(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let sizeBytes = 0
    const settle = (action: () => void) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      action()
    }
    const onData = (part: Buffer) => {
      sizeBytes += part.length
      parts.push(part)
      if (sizeBytes > bytesMax) settle(() => resolve(void request.pause()))
    }
    const onEnd = () => settle(() => resolve(Buffer.concat(parts)))
    const onClose = () => settle(() => reject(new Failure('invalid-argument', 'unexpected EOF')))
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}
