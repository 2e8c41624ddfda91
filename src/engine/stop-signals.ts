// SIGTERM and SIGINT: the first asks the daemon to go in good order, the fourth makes it go as it is, as with Docker's.
import { constants } from 'node:os'
import type { Log } from '../base/log.ts'

const FORCE_AFTER = 3

/** Resolves with the first one. */
export function nextStopSignal(log: Log): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let count = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        log.info(`Processing signal '${signal === 'SIGTERM' ? 'terminated' : 'interrupt'}'`)
        count++
        if (count === 1) resolve(signal)
        if (count <= FORCE_AFTER) return
        log.info(`Forcing daemon shutdown without cleanup; ${FORCE_AFTER} interrupts received`)
        process.exit(128 + constants.signals[signal])
      })
  })
}
