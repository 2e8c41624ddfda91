// How fast layers come and how long they will still take: more than the Docker CLI tells, and only on a terminal that has the room.
import { formatSize } from './moments.ts'

/** Nothing is said before so much time has passed: the first chunks tell more of buffers than of the network. */
const LEAST_MS = 1000
const COLUMNS_MIN = 70
/** Beside the bar. */
const COLUMNS_MIN_WITH_BAR = 135

interface Transfer {
  status: string
  sinceMs: number
  startBytes: number
}

export class TransferRates {
  readonly #transfers = new Map<string, Transfer>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /**
   * ` 1.2MB/s, 8s left` for what is under way, '' where it is too early or too late to say. A new status of the same layer is a
   * transfer of its own: what has been downloaded is extracted next.
   */
  describe(id: string, status: string, current: number, total: number, columns: number, hasBar: boolean): string {
    const known = this.#transfers.get(id)
    if (known?.status !== status) {
      this.#transfers.set(id, { status, sinceMs: this.#now(), startBytes: current })
      return ''
    }
    const elapsedMs = this.#now() - known.sinceMs
    const bytes = current - known.startBytes
    if (elapsedMs < LEAST_MS || bytes <= 0 || current >= total) return ''
    if (columns < (hasBar ? COLUMNS_MIN_WITH_BAR : COLUMNS_MIN)) return ''
    const bytesPerSecond = (bytes / elapsedMs) * 1000
    return `  ${formatSize(bytesPerSecond)}/s, ${formatLeft((total - current) / bytesPerSecond)} left`
  }
}

/** `8s`, `3m5s`, `2h10m`. */
function formatLeft(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m${whole % 60}s`
  return `${Math.floor(whole / 3600)}h${Math.floor((whole % 3600) / 60)}m`
}
