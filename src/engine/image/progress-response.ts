// Answers that tell of their progress line by line: pull, push, load, import.
import type { ServerResponse } from 'node:http'
import type { ProgressMessage } from '../../api/image-types.ts'
import { messageOf } from '../../base/failure.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { encodeProgress, errorMessage } from './progress-stream.ts'

export type SendProgress = (message: ProgressMessage) => void

/** A failure of `work` before its first line has a status of its own, one after it is a line of the stream. */
export async function answerWithProgress(
  request: ApiRequest,
  work: (send: SendProgress) => Promise<void>,
): Promise<ApiResponse> {
  const lines = new LineQueue()
  const working = work((message) => lines.push(message))
  await Promise.race([lines.first, working])
  const write = async (response: ServerResponse) => {
    lines.drainTo(response)
    await working.catch((error) => lines.push(errorMessage(request.version, messageOf(error))))
  }
  return { kind: 'stream', status: 200, contentType: 'application/json', write }
}

/** Lines wait here until the response begins. */
class LineQueue {
  #held: string[] = []
  #response: ServerResponse | undefined
  #begin: () => void = () => {}
  readonly first = new Promise<void>((resolve) => {
    this.#begin = resolve
  })

  push(message: ProgressMessage): void {
    this.#begin()
    const line = encodeProgress(message)
    if (this.#response) this.#response.write(line)
    else this.#held.push(line)
  }

  drainTo(response: ServerResponse): void {
    this.#response = response
    for (const line of this.#held.splice(0)) response.write(line)
  }
}
