// One run of `criu swrk`: it is our child, gets one request over a socket that keeps messages whole, and asks back while it works.
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { Failure, messageOf } from '../../base/failure.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Fd } from '../../linux/kernel.ts'
import { receiveDescriptors } from '../../linux/pass-descriptor.ts'
import type { Message } from '../../wire/protobuf/message.ts'
import { makeChannel, waitForChild } from '../spawn-init.ts'
import { spawnProgram } from '../spawn-program.ts'
import { type CriuRequest, criuRequest, criuResponse, REQUEST, REQUEST_NAME } from './messages.ts'

export type CriuResponse = Message<typeof criuResponse>

/** A stage that criu has reached (`post-dump`, `setup-namespaces`, …) and waits at. */
export interface Notification {
  script: string
  pid: number
  descriptors: readonly Fd[]
}

/** @returns the descriptor that it keeps; all others are closed then. */
export type Notified = (notification: Notification) => Fd | undefined | Promise<Fd | undefined>

const RESPONSE_SIZE_MAX = 64 << 10
const SOCKET_NUMBER = 3

/** The number that the first of `extra` has in criu; the others follow. */
export const FIRST_EXTRA = 4

export class CriuSession {
  readonly pid: number
  readonly #socket: Fd
  #isWaitedFor = false

  private constructor(pid: number, socket: Fd) {
    this.pid = pid
    this.#socket = socket
  }

  /**
   * @param program path of criu.
   * @param request.usesOurStreams what is restored gets our standard streams; otherwise criu has none.
   * @param request.extra descriptors that the request speaks of, see FIRST_EXTRA.
   */
  static start(program: string, request: { usesOurStreams: boolean; extra?: readonly Fd[] }): CriuSession {
    const [ours, theirs] = makeChannel()
    const nothing = openSync('/dev/null', constants.O_RDWR)
    try {
      const streams = [0, 1, 2].map((fd) => [request.usesOurStreams ? fd : nothing, fd] as const)
      const extra = (request.extra ?? []).map((fd, index) => [fd, FIRST_EXTRA + index] as const)
      const pid = spawnProgram({
        program,
        argv: ['criu', 'swrk', String(SOCKET_NUMBER)],
        environment: Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ''}`),
        descriptors: [...streams, [theirs, SOCKET_NUMBER], ...extra],
        ownGroup: false,
        name: program,
      })
      return new CriuSession(pid, ours)
    } catch (error) {
      closeSync(ours)
      throw new Failure('unavailable', messageOf(error), { cause: error })
    } finally {
      closeSync(nothing)
      closeSync(theirs)
    }
  }

  /** Resolves with the last answer, which says success. Throws Failure in runc's words, or what `onNotified` threw. */
  async ask(request: CriuRequest, onNotified: Notified = noNotifications): Promise<CriuResponse> {
    this.#send(request)
    for (;;) {
      const { response, descriptors } = this.#receive()
      const { type, notification } = response
      if (!response.success) {
        throw new Failure('internal', `criu failed: type ${REQUEST_NAME[type] ?? type} errno ${response.errno}`)
      }
      if (type !== REQUEST.notify) return response
      if (notification === undefined) throw new Failure('internal', 'invalid response: a notification without a script')
      let kept: Fd | undefined
      try {
        kept = await onNotified({ ...notification, descriptors })
      } finally {
        for (const fd of descriptors.filter((each) => each !== kept)) closeSync(fd)
      }
      this.#send({ type: REQUEST.notify, notifySuccess: true })
    }
  }

  /** No more requests. @returns its exit status. */
  finish(): number {
    this.#isWaitedFor = true
    closeSync(this.#socket)
    return waitForChild(this.pid) ?? 0
  }

  /** Where it has not been finished, it fails at its next word, undoes what it began, and ends. */
  [Symbol.dispose](): void {
    if (!this.#isWaitedFor) this.finish()
  }

  #send(request: CriuRequest): void {
    const bytes = criuRequest.encode(request)
    try {
      writeSync(this.#socket, bytes)
    } catch (error) {
      if (!hasErrno(error, 'EPIPE')) throw error
      throw new Failure('internal', 'unexpected EOF', { cause: error })
    }
  }

  #receive(): { response: CriuResponse; descriptors: readonly Fd[] } {
    const { bytes, descriptors } = receiveDescriptors(this.#socket, RESPONSE_SIZE_MAX)
    if (bytes.length === 0) throw new Failure('internal', 'unexpected EOF')
    return { response: criuResponse.decode(bytes), descriptors }
  }
}

function noNotifications({ script }: Notification): never {
  throw new Failure('internal', `criu notifies of ${script}, which it was not asked for`)
}
