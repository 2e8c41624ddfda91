// Who asked for what is being done: known from the request to everything it sets off, without being handed through every call.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventOrigin } from '../../api/event-types.ts'

const origins = new AsyncLocalStorage<EventOrigin | undefined>()

/** Whatever `work` starts, now or later, is asked for by `origin`; undefined: by the engine itself. */
export function actFor<T>(origin: EventOrigin | undefined, work: () => T): T {
  return origins.run(origin, work)
}

export function currentOrigin(): EventOrigin | undefined {
  return origins.getStore()
}
