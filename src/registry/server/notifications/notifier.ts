// Webhooks: events of pushes, pulls and deletions, to each endpoint in order, one at a time, again until it takes them
// (distribution, docs/content/about/notifications.md). They wait in memory: what a crash or an overflow loses is not sent.
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Clock } from '../../../base/clock.ts'
import { messageOf } from '../../../base/failure.ts'
import type { Log } from '../../../base/log.ts'
import type { Family } from '../../../base/metrics/exposition.ts'
import type { Digest } from '../../../oci/digest.ts'
import type { Exchange } from '../http/exchange.ts'

export interface EndpointSettings {
  name: string
  url: string
  headers: Readonly<Record<string, readonly string[]>>
  timeoutMs: number
  /** So many failures in a row, and it is left alone for `backoffMs`. */
  threshold: number
  backoffMs: number
  ignoredMediaTypes: readonly string[]
  ignoredActions: readonly string[]
}

export type EventAction = 'push' | 'pull' | 'mount' | 'delete'

export interface EventTarget {
  mediaType?: string
  digest?: Digest
  size?: number
  tag?: string
  /** Of the content, as clients reach it. */
  url?: string
  fromRepository?: string
}

export interface Notifier {
  emit(exchange: Exchange, action: EventAction, target: EventTarget): void
  families(): Family[]
  /** Sends what waits, at most so long, and ends. */
  close(limitMs: number): Promise<void>
}

const MEDIA_TYPE = 'application/vnd.docker.distribution.events.v2+json'
const WAITING_MAX = 10_000

export function openNotifier(endpoints: readonly EndpointSettings[], clock: Clock, log: Log): Notifier {
  const queues = endpoints.map((endpoint) => new Queue(endpoint, clock, log))
  const instance = randomUUID()
  return {
    emit(exchange, action, target) {
      if (queues.length === 0) return
      const event = eventOf(exchange, { action, target, instance })
      for (const queue of queues) queue.add(event)
    },
    families: () => queues.flatMap((queue) => queue.families()),
    close: async (limitMs) => {
      await Promise.all(queues.map((queue) => queue.close(limitMs)))
    },
  }
}

interface Event {
  id: string
  action: string
  target: EventTarget & { repository: string; length?: number }
  [more: string]: unknown
}

function eventOf(
  { request, route, user }: Exchange,
  { action, target, instance }: { action: EventAction; target: EventTarget; instance: string },
): Event {
  return {
    id: randomUUID(),
    timestamp: new Date().toISOString(),
    action,
    target: { ...target, ...(target.size === undefined ? {} : { length: target.size }), repository: route.name },
    request: {
      id: randomUUID(),
      addr: `${request.socket.remoteAddress ?? ''}:${request.socket.remotePort ?? ''}`,
      host: request.headers.host ?? '',
      method: request.method ?? '',
      useragent: request.headers['user-agent'] ?? '',
    },
    actor: user === undefined ? {} : { name: user },
    source: { addr: `${hostname()}:${request.socket.localPort ?? ''}`, instanceID: instance },
  }
}

class Queue {
  readonly #endpoint: EndpointSettings
  readonly #clock: Clock
  readonly #log: Log
  readonly #waiting: Event[] = []
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #sent = 0
  #failed = 0
  #dropped = 0

  constructor(endpoint: EndpointSettings, clock: Clock, log: Log) {
    this.#endpoint = endpoint
    this.#clock = clock
    this.#log = log
  }

  add(event: Event): void {
    const { ignoredActions, ignoredMediaTypes, name } = this.#endpoint
    if (ignoredActions.includes(event.action) || ignoredMediaTypes.includes(event.target.mediaType ?? '')) return
    if (this.#waiting.length >= WAITING_MAX) {
      this.#waiting.shift()
      if (this.#dropped++ === 0)
        this.#log.error('events are dropped: an endpoint does not take them', { endpoint: name })
    }
    this.#waiting.push(event)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    let failures = 0
    for (let [event] = this.#waiting; event !== undefined; [event] = this.#waiting) {
      const error = await this.#send(event)
      if (this.#stop.signal.aborted) return
      if (error === undefined) {
        failures = 0
        this.#sent++
        if (this.#waiting[0] === event) this.#waiting.shift()
        continue
      }
      this.#failed++
      failures++
      this.#log.warn('event was not taken', { endpoint: this.#endpoint.name, error })
      if (failures >= this.#endpoint.threshold) await this.#clock.sleep(this.#endpoint.backoffMs, this.#stop.signal)
    }
  }

  async #send(event: Event): Promise<string | undefined> {
    const { url, timeoutMs } = this.#endpoint
    const headers = new Headers({ 'content-type': MEDIA_TYPE })
    for (const [name, values] of Object.entries(this.#endpoint.headers))
      for (const value of values) headers.append(name, value)
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal])
      const body = JSON.stringify({ events: [event] })
      const response = await fetch(url, { method: 'POST', headers, body, signal })
      await response.body?.cancel()
      return response.ok || response.redirected ? undefined : `status ${response.status}`
    } catch (error) {
      return messageOf(error)
    }
  }

  families(): Family[] {
    const labels = { endpoint: this.#endpoint.name }
    const family = (name: string, help: string, type: Family['type'], value: number): Family => ({
      ...{ name: `registry_notifications_${name}`, help, type },
      samples: [{ labels, value }],
    })
    return [
      family('pending', 'Events that wait.', 'gauge', this.#waiting.length),
      family('sent_total', 'Events that were taken.', 'counter', this.#sent),
      family('failures_total', 'Attempts that failed.', 'counter', this.#failed),
      family('dropped_total', 'Events that there was no room for.', 'counter', this.#dropped),
    ]
  }

  async close(limitMs: number): Promise<void> {
    if (this.#running !== undefined) await Promise.race([this.#running, this.#clock.sleep(limitMs)])
    this.#stop.abort()
    await this.#running
  }
}
