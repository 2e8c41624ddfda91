// The bytes of an answer, from a server that has to keep sending them: silence is found out by the socket, a drop every minute here.
import { type Clock, systemClock } from '../../base/clock.ts'
import { Failure } from '../../base/failure.ts'

/** Only what was waited for the server counts, not what whoever takes the bytes does with them. */
const WINDOW_MS = 60_000
/** What comes in such a time at the least: a line of 300 bytes a second passes. */
const WINDOW_BYTES_MIN = 16 * 1024

/** Bytes came, but so few that the end would never come. Go's words for an answer that takes too long. */
export class SlowAnswer extends Failure {
  constructor() {
    super('unavailable', 'context deadline exceeded (Client.Timeout or context cancellation while reading body)')
  }
}

export interface PaceOptions {
  clock?: Clock
  /** However fast they come: for what is small. */
  totalMsMax?: number
}

/** Throws SlowAnswer. */
export async function* paced(source: AsyncIterable<Buffer>, options: PaceOptions = {}): AsyncGenerator<Buffer> {
  const { clock = systemClock, totalMsMax = Number.POSITIVE_INFINITY } = options
  let totalMs = 0
  let windowMs = 0
  let bytes = 0
  let askedMs = clock.now()
  for await (const part of source) {
    const waitedMs = clock.now() - askedMs
    totalMs += waitedMs
    windowMs += waitedMs
    bytes += part.length
    if (totalMs > totalMsMax) throw new SlowAnswer()
    if (windowMs >= WINDOW_MS) {
      if (bytes < WINDOW_BYTES_MIN) throw new SlowAnswer()
      windowMs = 0
      bytes = 0
    }
    yield part
    askedMs = clock.now()
  }
}
