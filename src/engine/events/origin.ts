// Who asked for what is being done: known from the request to everything it sets off, without being handed through every call.
import type { EventOrigin } from '../../api/event-types.ts'
import { currentAsker, runAskedBy } from '../../base/operation.ts'

/** Whatever `work` starts, now or later, is asked for by `origin`; undefined: by the engine itself. */
export function actFor<T>(origin: EventOrigin | undefined, work: () => T): T {
  return runAskedBy(origin, work)
}

export function currentOrigin(): EventOrigin | undefined {
  return currentAsker() as EventOrigin | undefined // in the engine nobody else sets it
}
