// Whether and when a container that has ended starts again: Docker's restart policies as a pure decision.

export interface RestartPolicy {
  Name?: string
  MaximumRetryCount?: number
}

const FIRST_DELAY_MS = 100
const DELAY_MAX_MS = 60_000
/** A run as long as this counts as a success: the delays start from the beginning. */
const STABLE_RUN_MS = 10_000

export interface EndedRun {
  exitCode: number
  /** This run was told to end; no policy brings it back. */
  isToldToExit: boolean
  /** A user has signalled it at some time since the last start by hand. */
  wasStopped: boolean
  durationMs: number
  /** Automatic restarts so far. */
  restartCount: number
  /** The delay before this run, undefined if it was not an automatic restart. */
  lastDelayMs: number | undefined
}

/** Undefined: it stays down; otherwise the milliseconds to wait. */
export function decideRestart(policy: RestartPolicy, run: EndedRun): number | undefined {
  if (run.isToldToExit || !wantsRestart(policy, run)) return undefined
  if (run.lastDelayMs === undefined || run.durationMs >= STABLE_RUN_MS) return FIRST_DELAY_MS
  return Math.min(run.lastDelayMs * 2, DELAY_MAX_MS)
}

function wantsRestart(policy: RestartPolicy, run: EndedRun): boolean {
  switch (policy.Name) {
    case 'always':
      return true
    case 'unless-stopped':
      return !run.wasStopped
    case 'on-failure':
      return run.exitCode !== 0 && hasTriesLeft(policy, run.restartCount)
    default:
      return false
  }
}

function hasTriesLeft({ MaximumRetryCount: limit = 0 }: RestartPolicy, restartCount: number): boolean {
  return limit === 0 || restartCount < limit
}

/** At the start of the engine: which of the containers that are down come up again. */
export function startsWithEngine(
  policy: RestartPolicy,
  past: { wasStopped: boolean; hasRun: boolean; exitCode: number; restartCount: number },
): boolean {
  if (!past.hasRun) return false
  switch (policy.Name) {
    case 'always':
      return true
    case 'unless-stopped':
      return !past.wasStopped
    case 'on-failure':
      return past.exitCode !== 0 && hasTriesLeft(policy, past.restartCount)
    default:
      return false
  }
}
