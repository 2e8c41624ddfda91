// What everything that is shown works with.
import type { Session } from '../session.ts'

export interface View {
  session: Session
  /** By which clients know the registry. */
  host: string
  /** The configuration lets anything be deleted. */
  deletes: boolean
  /** Aborted when something else is to be shown. */
  signal: AbortSignal
  /** Shows the same place anew. */
  again(): void
}
