// Follows a container's log and sends it on. What cannot be sent waits in the log, as long as that keeps it; the container never waits. An entry is sent at
// least once: after a crash of the engine those since the last cursor go again.
import { type Clock, systemClock } from '../../../base/clock.ts'
import { messageOf } from '../../../base/failure.ts'
import type { Log } from '../../../base/log.ts'
import type { LocalEntry } from '../local-entry.ts'
import { LocalRecords } from '../local-records.ts'
import { LogWalk } from '../log-walk.ts'
import { LogWatch } from '../log-watch.ts'
import { type Cursor, findCursor, loadCursor, saveCursor } from './cursor.ts'
import type { ForwardConnection, ForwardDriver } from './forward-driver.ts'

export interface ForwarderOptions {
  driver: ForwardDriver
  /** Of the log, in the local format. */
  path: string
  /** Where the cursor lives. */
  directory: string
  containerId: string
  log: Log
  clock?: Clock
  /** Another one of the same log, which is to end first. */
  former?: Forwarder | undefined
}

const CHUNK_BYTES = 64 * 1024
const RETRY_MS = { first: 100, max: 10_000 }
const SAVE_INTERVAL_MS = 200

export class Forwarder {
  readonly #options: Omit<ForwarderOptions, 'former'>
  readonly #clock: Clock
  readonly #abort = new AbortController()
  readonly #ended: Promise<void>
  #end: () => void = () => {}
  readonly #records = new LocalRecords()
  #connection: ForwardConnection | undefined
  #cursor: Cursor | undefined
  #savedAtMs = 0
  #isSaved = true
  #hasFailed = false
  /** Everything has been sent, or it was aborted. Never rejects. */
  readonly done: Promise<void>

  constructor({ former, ...options }: ForwarderOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
    // Only the promise is kept: forwarders of a container that starts again and again must not hold one another.
    this.done = this.#run(former?.abort())
  }

  /** Nothing more is written: ends when all is sent. */
  finish(): void {
    this.#end()
  }

  /** Ends at once, with its cursor saved. */
  async abort(): Promise<void> {
    this.#abort.abort()
    this.#connection?.close()
    await this.done
  }

  async #run(formerEnds: Promise<void> | undefined): Promise<void> {
    const { log, containerId } = this.#options
    try {
      await formerEnds
      await this.#forward()
    } catch (error) {
      log.error('forwarding a container’s log has ended', { container: containerId, error: messageOf(error) })
    } finally {
      this.#save()
      this.#connection?.close()
    }
  }

  async #forward(): Promise<void> {
    const { path } = this.#options
    const { signal } = this.#abort
    using watch = new LogWatch({ path, ended: this.#ended }, undefined, signal)
    await using walk = new LogWalk(path, () => this.#records.reset())
    const sentUntil = await this.#resume(walk)
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    const sendAll = async () => {
      for (let size = await walk.read(chunk); size > 0; size = await walk.read(chunk)) {
        await this.#sendChunk(walk, chunk.subarray(0, size), sentUntil)
        if (signal.aborted) return
      }
    }
    await sendAll()
    while (!signal.aborted) {
      this.#save()
      const isLast = await watch.changed()
      while (!signal.aborted && (await walk.advance())) await sendAll()
      if (!signal.aborted) await sendAll()
      if (isLast) return
    }
  }

  /** Returns the time up to which entries have been sent already, where that is all there is to go by. */
  async #resume(walk: LogWalk): Promise<bigint | undefined> {
    const files = await walk.open()
    const cursor = loadCursor(this.#options.directory)
    if (cursor === undefined) return undefined
    const place = await findCursor(files, cursor)
    if (place === undefined) return cursor.timeNs
    await walk.begin(place.file, place.offset)
    this.#cursor = cursor
    return undefined
  }

  async #sendChunk(walk: LogWalk, chunk: Buffer, sentUntil: bigint | undefined): Promise<void> {
    const start = walk.offset - chunk.length
    const inode = walk.file?.inode ?? 0
    const entries: LocalEntry[] = []
    let cursor: Cursor | undefined
    for (const { entry, end } of this.#records.split(chunk)) {
      cursor = { inode, offset: start + end, timeNs: entry.timeNs }
      if (sentUntil === undefined || entry.timeNs >= sentUntil) entries.push(entry)
    }
    if (cursor === undefined || !(await this.#deliver(entries))) return
    this.#cursor = cursor
    this.#isSaved = false
    if (this.#clock.monotonic() - this.#savedAtMs >= SAVE_INTERVAL_MS) this.#save()
  }

  /** Until it succeeds; false: aborted. */
  async #deliver(entries: readonly LocalEntry[]): Promise<boolean> {
    if (entries.length === 0) return true
    const { signal } = this.#abort
    for (let pauseMs = RETRY_MS.first; !signal.aborted; pauseMs = Math.min(2 * pauseMs, RETRY_MS.max)) {
      try {
        this.#connection ??= await this.#connect()
        if (this.#connection === undefined) break
        await this.#connection.send(entries)
        this.#note(undefined)
        return true
      } catch (error) {
        this.#connection?.close()
        this.#connection = undefined
        if (!signal.aborted) this.#note(error)
      }
      await this.#clock.sleep(pauseMs, signal)
    }
    return false
  }

  /** Undefined: aborted. A collector that does not answer is not waited for then. */
  async #connect(): Promise<ForwardConnection | undefined> {
    const { signal } = this.#abort
    const connecting = this.#options.driver.connect()
    const stop = new AbortController()
    const aborted = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true, signal: stop.signal })
    })
    try {
      const connection = await Promise.race([connecting, aborted])
      if (!signal.aborted) return connection
    } finally {
      stop.abort()
    }
    connecting.then(
      (late) => late.close(),
      () => {},
    )
    return undefined
  }

  /** Of many failures in a row the first is told, and the end of them. */
  #note(error: unknown): void {
    const { log, containerId: container } = this.#options
    if (error !== undefined && !this.#hasFailed)
      log.warn('a container’s log cannot be forwarded now', { container, error: messageOf(error) })
    if (error === undefined && this.#hasFailed) log.info('a container’s log is forwarded again', { container })
    this.#hasFailed = error !== undefined
  }

  #save(): void {
    if (this.#cursor === undefined || this.#isSaved) return
    try {
      saveCursor(this.#options.directory, this.#cursor)
      this.#isSaved = true
      this.#savedAtMs = this.#clock.monotonic()
    } catch (error) {
      const { log, containerId } = this.#options
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        // it was removed
        log.warn('keeping how far a log was forwarded failed', { container: containerId, error: messageOf(error) })
    }
  }
}
