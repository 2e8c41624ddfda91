// Time as a parameter: code that waits takes a Clock, so that a test can hold the hands.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds since some moment, for how long things take: whoever sets the machine's time sets `now`, and never this. */
  monotonic(): number
  /** Resolves after `delayMs`, or at once when the signal aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      let timer: NodeJS.Timeout
      const waitFor = (leftMs: number) => {
        timer =
          leftMs > TIMER_MS_MAX
            ? setTimeout(waitFor, TIMER_MS_MAX, leftMs - TIMER_MS_MAX)
            : setTimeout(done, Math.max(0, leftMs))
      }
      waitFor(delayMs)
      signal?.addEventListener('abort', done, { once: true })
    }),
}

/** Node's timers take a longer wait for one of a millisecond. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** True when `work` settles within `limitMs` (rejections are rethrown), false when the time is over first. */
export async function within(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<boolean> {
  const stop = new AbortController()
  try {
    return await Promise.race([work.then(() => true), clock.sleep(limitMs, stop.signal).then(() => false)])
  } finally {
    stop.abort(OVER) // without a reason of ours an exception with its stack would be made, for nobody
  }
}

const OVER = 'over'

/** Nanosecond wall-clock time as RFC 3339 in UTC, trailing zeros of the fraction cut, as Go's RFC3339Nano prints it. */
export function formatRfc3339Nano(epochMs: number, extraNanos = 0): string {
  const seconds = new Date(epochMs).toISOString().slice(0, 19)
  const milliseconds = ((Math.floor(epochMs) % 1000) + 1000) % 1000 // also of a time before 1970
  const nanos = milliseconds * 1_000_000 + extraNanos
  const fraction = String(nanos).padStart(9, '0').replace(/0+$/, '')
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`
}

/** What Go prints for the zero time. */
export const ZERO_TIME = '0001-01-01T00:00:00Z'
