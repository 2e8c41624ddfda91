// An answer is not out before the journal has the events of what was done: who has it, and finds the engine killed, finds them there.
import type { RouteKey } from '../../api/routes.ts'
import type { ApiResponse, Handler, Handlers } from '../http/route.ts'
import type { EventLog } from './event-log.ts'

/** What fails is told of by events, too. */
export function holdAnswers(handlers: Handlers, events: Pick<EventLog, 'written'>): Handlers {
  const held = (handler: Handler): Handler => {
    const take = (answer: ApiResponse): ApiResponse | Promise<ApiResponse> => {
      const writing = events.written()
      return writing === undefined ? answer : writing.then(() => answer)
    }
    const fail = (error: unknown): Promise<never> =>
      (events.written() ?? Promise.resolve()).then(() => Promise.reject(error))
    return (request) => {
      try {
        const answer = handler(request)
        return answer instanceof Promise ? answer.then(take, fail) : take(answer)
      } catch (error) {
        if (events.written() === undefined) throw error
        return fail(error)
      }
    }
  }
  const entries = Object.entries(handlers) as [RouteKey, Handler][]
  return Object.fromEntries(entries.map(([key, handler]) => [key, held(handler)]))
}
