// What has happened in this engine, and everyone who listens for what comes next. Each listener pulls: one that is slow waits for nobody but itself, and reads
// what has left memory from the journal.
import type { Clock } from '../../base/clock.ts'
import type { EventActor, EventMessage, EventType } from '../../api/event-types.ts'
import { Failure } from '../../base/failure.ts'
import type { EventJournal } from './event-journal.ts'
import { currentOrigin } from './origin.ts'

/** In memory; a page of a listener is never longer. */
const RECENT_EVENTS_MAX = 1024
/** Attributes are labels, and those of a stranger's image can be large: what does not fit is in the journal alone. */
const RECENT_BYTES_MAX = 16 * 1024 * 1024
/** A clock that goes back by less is read again within its own grain; by more it was set. */
const CLOCK_GRAIN_NS = 1_000_000_000n

export interface PastEvents {
  /** Unix nanoseconds, both inclusive; undefined: from the first that is kept, to the last. */
  since: bigint | undefined
  until: bigint | undefined
  /** Only what is behind this number. */
  after: number | undefined
  /** The number of the last event that counts as past. */
  to: number
}

/** A promise: it can take no more until then. */
export type TakePage = (page: readonly EventMessage[]) => Promise<void> | undefined

interface Page {
  readonly after: number
  readonly events: readonly EventMessage[]
  readonly lastSeq: number
}

export class EventLog {
  readonly #clock: Clock
  readonly #journal: EventJournal | undefined
  /** With consecutive numbers. */
  readonly #recent: EventMessage[] = []
  #recentBytes = 0
  #unwritten: EventMessage[] = []
  /** Of the last event that the journal has. */
  #writtenSeq: number
  /** Events came in this turn of the event loop, or in the one before: more are waited for until it turns. */
  #isBusy = false
  /** Who wants to be told when the events of this turn are written. */
  #turn: Promise<void> | undefined
  #endTurn: () => void = () => {}
  /** What followers who have seen everything else were given: all of them the same, so that its text is made once. */
  #page: Page | undefined
  readonly #waiting = new Set<() => void>()
  #listeners = 0
  #lastSeq: number
  readonly #openedAtSeq: number
  #lastNano: bigint
  /** No event that has left memory is younger. */
  #lostNano: bigint

  /** Without a journal nothing survives this process. */
  constructor(clock: Clock, journal?: EventJournal) {
    this.#clock = clock
    this.#journal = journal
    this.#lastSeq = journal?.lastSeq ?? 0
    this.#openedAtSeq = this.#lastSeq
    this.#writtenSeq = this.#lastSeq
    this.#lostNano = journal?.lastNano ?? 0n
    this.#lastNano = 0n
  }

  /**
   * Synchronous and never throws. The journal has it, and then listeners are told, before the event loop turns: at once where nothing else happens, and where
   * much does, with the rest of the turn. A write for each event would be most of what an event costs.
   */
  publish(type: EventType, action: string, actor: EventActor): void {
    const timeNano = this.#nextNano()
    const time = Number(timeNano / 1_000_000_000n)
    const seq = ++this.#lastSeq
    const by = currentOrigin()
    const event: EventMessage = { Type: type, Action: action, Actor: actor, scope: 'local', time, timeNano, seq, by }
    this.#recent.push(event)
    this.#recentBytes += sizeOf(event)
    while (this.#recent.length > RECENT_EVENTS_MAX || (this.#recentBytes > RECENT_BYTES_MAX && this.#recent.length > 1))
      this.#forgetOldest()
    if (this.#unwritten.length === 0 && !this.#isBusy) queueMicrotask(() => this.#flush())
    this.#unwritten.push(event)
  }

  /** Resolves when the journal has all that was published; undefined where it has. */
  written(): Promise<void> | undefined {
    if (!this.#isBusy) this.#flush()
    if (this.#unwritten.length === 0) return undefined
    this.#turn ??= new Promise((resolve) => {
      this.#endTurn = resolve
    })
    return this.#turn
  }

  /** The number of the last event. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Events in memory, oldest first. */
  kept(): readonly EventMessage[] {
    return [...this.#recent]
  }

  /** Since this engine has begun. */
  get publishedCount(): number {
    return this.#lastSeq - this.#openedAtSeq
  }

  get listenerCount(): number {
    return this.#listeners
  }

  /**
   * Gives pages of events behind `after` to `take`, as they happen, until the signal aborts; where `take` answers with a promise, the next when that has
   * resolved. Rejects with out-of-range where events behind it are no longer kept, or the number is none of this journal's; also later, when the reader is
   * slower than the journal is long.
   */
  async follow(after: number, take: TakePage, signal: AbortSignal): Promise<void> {
    let seq = after
    /** All that there is, at once; a promise: where it has to wait before there can be more. */
    const takeMore = (): Promise<void> | undefined => {
      while (!signal.aborted) {
        this.checkCursor(seq)
        if (seq >= this.#writtenSeq) return undefined
        const page = this.#pageBehind(seq)
        if (page instanceof Promise) return page.then(takePage)
        const taken = takePage(page)
        if (taken !== undefined) return taken
      }
      return undefined
    }
    const takePage = ({ events, lastSeq }: Page): Promise<void> | undefined => {
      seq = lastSeq
      return take(events)
    }
    this.#listeners++
    try {
      this.#flush()
      while (!signal.aborted) await (takeMore() ?? this.#keepUp(takeMore, signal))
    } finally {
      this.#listeners--
    }
  }

  /** What has happened: pages of it, oldest first. With `after`, throws out-of-range as `follow` does. */
  async *past({ since, until, after, to }: PastEvents): AsyncGenerator<readonly EventMessage[], void, undefined> {
    this.#flush()
    const isInMemory = since !== undefined && since > this.#lostNano
    const oldest = isInMemory ? (this.#recent[0]?.seq ?? to + 1) : this.#firstSeq()
    let seq = after ?? oldest - 1
    while (seq < to) {
      if (after !== undefined) this.checkCursor(seq)
      const page = await this.#pageBehind(seq)
      seq = page.lastSeq
      yield page.events.filter(
        (event) =>
          event.seq <= to && event.timeNano >= (since ?? event.timeNano) && event.timeNano <= (until ?? event.timeNano),
      )
    }
  }

  /** Throws out-of-range unless everything behind the number is kept. */
  checkCursor(seq: number): void {
    if (seq > this.#lastSeq)
      throw new Failure('out-of-range', `event cursor ${seq} is ahead of the last event, which is ${this.#lastSeq}`)
    if (seq < this.#firstSeq() - 1 && seq !== 0)
      throw new Failure(
        'out-of-range',
        `events behind cursor ${seq} are no longer kept: the oldest is ${this.#firstSeq()}`,
      )
  }

  /** What was published is on disk afterwards. */
  close(): void {
    this.#flush()
    this.#journal?.close()
  }

  /** From memory, or else from disk. */
  #pageBehind(seq: number): Page | Promise<Page> {
    const oldest = this.#recent[0]?.seq ?? this.#lastSeq + 1
    if (seq + 1 < oldest) return this.#pageOnDisk(seq, oldest)
    if (this.#page?.after !== seq || this.#page.lastSeq !== this.#writtenSeq) {
      const events = this.#recent.slice(seq + 1 - oldest, this.#writtenSeq + 1 - oldest)
      this.#page = { after: seq, events, lastSeq: this.#writtenSeq }
    }
    return this.#page
  }

  /** Where disk has nothing either, numbers were left out or events could not be written: memory goes on behind them. */
  async #pageOnDisk(seq: number, oldest: number): Promise<Page> {
    const events = (await this.#journal?.readPage(seq)) ?? []
    return { after: seq, events, lastSeq: events.at(-1)?.seq ?? oldest - 1 }
  }

  #firstSeq(): number {
    return this.#journal?.firstSeq ?? this.#recent[0]?.seq ?? this.#lastSeq + 1
  }

  #forgetOldest(): void {
    const lost = this.#recent.shift()
    if (lost === undefined) return
    if (this.#page !== undefined && lost.seq > this.#page.after) this.#page = undefined
    this.#recentBytes -= sizeOf(lost)
    if (lost.timeNano > this.#lostNano) this.#lostNano = lost.timeNano
  }

  /** Before anybody is told: what a client has seen is still there after `kill -9`. */
  #flush(): void {
    const events = this.#unwritten
    const last = events.at(-1)
    if (last === undefined) return
    this.#unwritten = []
    this.#journal?.append(events)
    this.#writtenSeq = last.seq
    this.#turn = undefined
    this.#endTurn()
    this.#beBusy()
    for (const wake of [...this.#waiting]) wake()
  }

  /** Until a whole turn has brought no event. */
  #beBusy(): void {
    if (this.#isBusy) return
    this.#isBusy = true
    setImmediate(() => {
      this.#isBusy = false
      this.#flush()
    })
  }

  /** For a follower who has everything: takes what comes as it comes, until it has to wait for that follower. */
  #keepUp(takeMore: () => Promise<void> | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', end)
      }
      const end = () => {
        leave()
        resolve()
      }
      const wake = () => {
        try {
          const slow = takeMore()
          if (slow === undefined) return
          leave()
          resolve(slow)
        } catch (error) {
          leave()
          reject(error)
        }
      }
      if (signal.aborted) return resolve()
      this.#waiting.add(wake)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  /** No two events share a time, so that `since` the last seen one neither repeats nor misses any; a clock that was set back is believed. */
  #nextNano(): bigint {
    const now = BigInt(Math.floor(this.#clock.now() * 1000)) * 1000n
    const isSet = now < this.#lastNano - CLOCK_GRAIN_NS
    this.#lastNano = now > this.#lastNano || isSet ? now : this.#lastNano + 1n
    return this.#lastNano
  }
}

/** About as many bytes as its text takes. */
function sizeOf({ Actor: { Attributes } }: EventMessage): number {
  let size = 0
  for (const key in Attributes) size += key.length + (Attributes[key]?.length ?? 0) + 6
  return size
}
