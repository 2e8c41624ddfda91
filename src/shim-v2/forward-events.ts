// Events on their way to containerd, in order: it may be away for a while, and wants to know afterwards.
import { messageOf } from '../base/failure.ts'
import type { Log } from '../base/log.ts'
import type { MessageInit } from '../wire/protobuf/message.ts'
import { connectTtrpc, type TtrpcCall, type TtrpcTransport } from '../wire/ttrpc/ttrpc-transport.ts'
import type { PackedEvent } from './event-messages.ts'
import { Empty, ForwardRequest, timestampOf } from '../wire/shim-v2/messages.ts'

const QUEUE_MAX = 2048
const CALL_MS = 5_000
/** Between attempts: the first number, doubled up to the second. */
const PAUSE_MS = 250
const PAUSE_MS_MAX = 4_000

const FORWARD = {
  service: 'containerd.services.events.ttrpc.v1.Events',
  method: 'Forward',
  request: ForwardRequest,
  response: Empty,
} satisfies TtrpcCall<MessageInit<typeof ForwardRequest>, unknown>

interface Waiting {
  namespace: string
  topic: string
  request: MessageInit<typeof ForwardRequest>
}

export class EventForwarder {
  readonly #path: string
  readonly #log: Log
  readonly #queue: Waiting[] = []
  #transport: TtrpcTransport | undefined
  #sending: Promise<void> | undefined
  #isClosing = false
  #wake: () => void = () => {}

  /** @param address containerd's ttrpc socket, `unix://…` or a path; '' where nobody wants to know. */
  constructor(address: string, log: Log) {
    this.#path = address.replace(/^unix:\/\//, '')
    this.#log = log
  }

  publish(namespace: string, { topic, typeUrl, value }: PackedEvent): void {
    if (this.#path === '') return
    if (this.#queue.length >= QUEUE_MAX) {
      const dropped = this.#queue.shift()
      this.#log.error('too many events wait, the oldest is dropped', { topic: dropped?.topic })
    }
    const timestamp = timestampOf(BigInt(Date.now()) * 1_000_000n)
    const request = { envelope: { timestamp, namespace, topic, event: { typeUrl, value } } }
    this.#queue.push({ namespace, topic, request })
    this.#sending ??= this.#send()
  }

  /** Sends what waits, but waits for no containerd that is away. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#wake()
    await this.#sending
    this.#transport?.close()
  }

  async #send(): Promise<void> {
    let pauseMs = PAUSE_MS
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      try {
        await this.#forward(next)
        if (this.#queue[0] === next) this.#queue.shift()
        pauseMs = PAUSE_MS
      } catch (error) {
        this.#log.warn('forwarding an event failed', { topic: next.topic, error: messageOf(error) })
        this.#transport?.close()
        this.#transport = undefined
        if (this.#isClosing) break
        await this.#pause(pauseMs)
        pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
      }
    }
    this.#sending = undefined
  }

  async #forward({ namespace, request }: Waiting): Promise<void> {
    if (!this.#transport?.isOpen) this.#transport = await connectTtrpc(this.#path)
    const metadata = { 'containerd-namespace-ttrpc': namespace }
    await this.#transport.call(FORWARD, request, { timeoutMs: CALL_MS, metadata })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
