// containerd.task.v2 and v3 as their caller: one connection to a shim, for one task.
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import type { FailureCode } from '../../base/failure.ts'
import type { ProcessExit } from '../../shim/shim.ts'
import type { Codec, Message } from '../../wire/protobuf/message.ts'
import type { Timestamp } from '../../wire/shim-v2/messages.ts'
import { connectTtrpc, type TtrpcTransport } from '../../wire/ttrpc/ttrpc-transport.ts'
import { type Endpoint, socketOf } from './start-answer.ts'

export interface ShimCallOptions {
  signal?: AbortSignal
  timeoutMs?: number
}

const CONNECT_MS = 10_000
const LOWEST_VERSION = 2

/** Whatever a shim answers comes as a Failure with its code and words; `isOpen` tells whether it was the connection that failed. */
export class TaskClient {
  readonly endpoint: Endpoint
  readonly #transport: TtrpcTransport
  readonly #metadata: Readonly<Record<string, string>>
  #version: number

  private constructor(endpoint: Endpoint, namespace: string, transport: TtrpcTransport) {
    this.endpoint = endpoint
    this.#version = endpoint.version
    this.#metadata = { 'containerd-namespace-ttrpc': namespace }
    this.#transport = transport
  }

  /** Throws `unavailable` where nobody answers. */
  static async connect(endpoint: Endpoint, namespace: string): Promise<TaskClient> {
    const path = socketOf(endpoint.address)
    let timer: NodeJS.Timeout | undefined
    const connecting = connectTtrpc(path)
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('i/o timeout')), CONNECT_MS)
    })
    try {
      return new TaskClient(endpoint, namespace, await Promise.race([connecting, late]))
    } catch (error) {
      void connecting.then((transport) => transport.close()).catch(() => {}) // nobody waits for it any more
      const words = `failed to create TTRPC connection: dial unix ${path.replace('\0', '@')}: ${messageOf(error)}`
      throw new Failure('unavailable', words, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  get isOpen(): boolean {
    return this.#transport.isOpen
  }

  /** Resolves when the connection has ended, whoever ended it. */
  get closed(): Promise<void> {
    return this.#transport.closed
  }

  close(): void {
    this.#transport.close()
  }

  /** A shim that has been running since before its program was replaced may know the version below only, although the new one spoke for it. */
  async call<Asked, Answer>(
    method: string,
    request: Codec<unknown, Asked>,
    response: Codec<Answer, never>,
    value: Asked,
    options: ShimCallOptions = {},
  ): Promise<Answer> {
    const call = () =>
      this.#transport.call({ service: `containerd.task.v${this.#version}.Task`, method, request, response }, value, {
        ...options,
        metadata: this.#metadata,
      })
    try {
      return await call()
    } catch (error) {
      if (!isFailure(error, 'unimplemented') || this.#version <= LOWEST_VERSION || !isServiceUnknown(error)) throw error
      this.#version = LOWEST_VERSION
      return await call()
    }
  }
}

/** A method that a shim does not have is answered with the same code, and no reason to speak another version. */
function isServiceUnknown(error: Failure): boolean {
  return /\bservice\b/.test(error.message)
}

const WORDS: Partial<Record<FailureCode, string>> = {
  cancelled: 'context canceled',
  unknown: 'unknown',
  'invalid-argument': 'invalid argument',
  'deadline-exceeded': 'context deadline exceeded',
  'not-found': 'not found',
  'already-exists': 'already exists',
  'permission-denied': 'permission denied',
  'resource-exhausted': 'resource exhausted',
  'failed-precondition': 'failed precondition',
  aborted: 'aborted',
  'out-of-range': 'out of range',
  unimplemented: 'not implemented',
  internal: 'internal',
  unavailable: 'unavailable',
  'data-loss': 'data loss',
  unauthenticated: 'unauthenticated',
}

/** A shim's failure as containerd passes it on: with the words of its code at the end. */
export function passedOn(error: unknown, frame = ''): Failure {
  const code = isFailure(error) ? error.code : 'unknown'
  const message = messageOf(error)
  const words = WORDS[code] ?? 'unknown'
  const ending = message === words || message.endsWith(`: ${words}`) ? '' : `: ${words}`
  return new Failure(code, `${frame}${message}${ending}`, { cause: error })
}

export function exitOf(answer: { exitStatus: number; exitedAt: Message<typeof Timestamp> | undefined }): ProcessExit {
  const { seconds, nanos } = answer.exitedAt ?? { seconds: 0n, nanos: 0 }
  return { code: answer.exitStatus, exitedAtNs: seconds * 1_000_000_000n + BigInt(nanos) }
}
