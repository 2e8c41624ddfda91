// What has happened in this engine: the last 256 events, and everyone who listens for the next.
import type { Clock } from '../../base/clock.ts'
import type { EventActor, EventMessage, EventType } from '../../api/event-types.ts'

/** Docker keeps as many for `since`. */
const KEPT_EVENTS = 256

export type EventListener = (event: EventMessage) => void

export class EventLog {
  readonly #clock: Clock
  readonly #kept: EventMessage[] = []
  readonly #listeners = new Set<EventListener>()
  #lastNano = 0n

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Tells all listeners, synchronously, in the order of subscription. Never throws. */
  publish(type: EventType, action: string, actor: EventActor): void {
    const timeNano = this.#nextNano()
    const time = Number(timeNano / 1_000_000_000n)
    const event: EventMessage = { Type: type, Action: action, Actor: actor, scope: 'local', time, timeNano }
    this.#kept.push(event)
    if (this.#kept.length > KEPT_EVENTS) this.#kept.shift()
    for (const listener of [...this.#listeners]) listener(event)
  }

  /** The listener must not throw and must not block. Call the result to end the subscription. */
  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** The kept events, oldest first. */
  kept(): readonly EventMessage[] {
    return [...this.#kept]
  }

  get listenerCount(): number {
    return this.#listeners.size
  }

  /** No two events share a time, so that `since` the last seen one neither repeats nor misses any. */
  #nextNano(): bigint {
    const now = BigInt(Math.floor(this.#clock.now() * 1000)) * 1000n
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n
    return this.#lastNano
  }
}
