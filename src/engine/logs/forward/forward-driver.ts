// What a forwarding driver is to whoever reads the log: a way to connect, and to hand over entries.
import type { LocalEntry } from '../local-entry.ts'

export interface ForwardConnection {
  /** Resolves once the other side's kernel, or the other side itself where it confirms, has them all. Rejects where it is gone: some may have arrived. */
  send(entries: readonly LocalEntry[]): Promise<void>
  close(): void
}

export interface ForwardDriver {
  /** A start fails where nobody can be reached. */
  readonly isNeededAtStart: boolean
  /** Throws Failure in Docker's words. */
  connect(): Promise<ForwardConnection>
}
