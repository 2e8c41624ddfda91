// The fluentd driver: the forward protocol's messages, confirmed one by one where that was asked for.
import { randomBytes } from 'node:crypto'
import { Failure } from '../../../base/failure.ts'
import { sortKeys } from '../../../base/go/go-json.ts'
import type { Kernel } from '../../../linux/kernel.ts'
import type { LocalEntry } from '../local-entry.ts'
import { DEFAULT_TAG, expandTag, extraAttributes, logOptions, type LoggedContainer } from '../log-info.ts'
import { parseFluentdOptions } from './fluentd-options.ts'
import type { ForwardDriver } from './forward-driver.ts'
import { packEvent, packEventTime, packSeconds, unpackAck } from './msgpack.ts'
import { connectTransport, type Transport } from './transport.ts'

/** For a collector that was asked to confirm, and does not. */
const ACK_LIMIT_MS = 30_000

export function openFluentd(kernel: Kernel, record: LoggedContainer): ForwardDriver {
  const options = parseFluentdOptions(logOptions(record))
  const tag = expandTag(record, DEFAULT_TAG)
  const common = { container_id: record.id, container_name: `/${record.name}` }
  const extra = extraAttributes(record)
  const encode = (entry: LocalEntry, chunk: string | undefined) => {
    const time = options.hasNanoseconds
      ? packEventTime(entry.timeNs)
      : packSeconds(Number(entry.timeNs / 1_000_000_000n))
    const fields = { ...common, ...fluentdRecord(entry), ...extra }
    return packEvent(tag, time, sortKeys(fields), chunk === undefined ? {} : { chunk })
  }
  return {
    isNeededAtStart: !options.isAsync,
    async connect() {
      const transport = await connectTransport(kernel, options.address, options.writeTimeoutMs)
      const acks = options.wantsAck ? new Acks(transport) : undefined
      return {
        async send(entries) {
          const chunks = entries.map(() => (acks === undefined ? undefined : randomBytes(16).toString('base64')))
          // Together: where the connection breaks, both fail.
          await Promise.all([
            acks?.expect(chunks),
            transport.send(entries.map((entry, index) => encode(entry, chunks[index]))),
          ])
        },
        close: () => transport.close(),
      }
    },
  }
}

export function fluentdRecord({ isStderr, line, partial }: LocalEntry): Record<string, string> {
  return {
    source: isStderr ? 'stderr' : 'stdout',
    log: line.toString(),
    ...(partial && {
      partial_message: 'true',
      partial_id: partial.id,
      partial_ordinal: String(partial.ordinal),
      partial_last: String(partial.isLast),
    }),
  }
}

/** Confirmations come in the order of the messages. */
class Acks {
  readonly #transport: Transport
  #rest: Buffer = Buffer.alloc(0)
  #expected: (string | undefined)[] = []
  #settle: { resolve(): void; reject(error: unknown): void } | undefined

  constructor(transport: Transport) {
    this.#transport = transport
    transport.onData((bytes) => this.#take(bytes))
    transport.onClose(() => this.#settle?.reject(new Failure('unavailable', 'fluentd has closed the connection')))
  }

  async expect(chunks: readonly (string | undefined)[]): Promise<void> {
    this.#expected = [...chunks]
    const confirmed = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    const timer = setTimeout(() => this.#fail('fluentd does not confirm what it was sent'), ACK_LIMIT_MS)
    try {
      await confirmed
    } finally {
      clearTimeout(timer)
    }
  }

  #take(bytes: Buffer): void {
    try {
      this.#rest = Buffer.concat([this.#rest, bytes])
      for (let next = unpackAck(this.#rest); next !== undefined; next = unpackAck(this.#rest)) {
        this.#rest = this.#rest.subarray(next.size)
        if (next.ack !== this.#expected.shift()) return this.#fail('fluentd confirms what it was not sent')
      }
      if (this.#expected.length === 0) this.#settle?.resolve()
    } catch (error) {
      this.#settle?.reject(error)
      this.#transport.close()
    }
  }

  #fail(why: string): void {
    this.#settle?.reject(new Failure('unavailable', why))
    this.#transport.close()
  }
}
