// Handlers that are watched: which requests are under way, and how long those take that metrics tell of.
import type { RouteKey } from '../../api/routes.ts'
import type { ListCalls } from '../../base/debug/dump-state.ts'
import { continueOperation, currentOperation, runOperation } from '../../base/operation.ts'
import type { ApiResponse, Handler, Handlers } from '../http/route.ts'
import type { EngineMetrics, TimerFamily } from './engine-metrics.ts'

const TIMED: Partial<Record<RouteKey, readonly [family: TimerFamily, value: string]>> = {
  'POST /containers/create': ['container_actions', 'create'],
  'POST /containers/{id}/start': ['container_actions', 'start'],
  'DELETE /containers/{id}': ['container_actions', 'delete'],
  'POST /images/create': ['image_actions', 'pull'],
  'POST /images/{name}/push': ['image_actions', 'push'],
  'DELETE /images/{name}': ['image_actions', 'delete'],
  'GET /images/{name}/history': ['image_actions', 'history'],
  'GET /info': ['host_info_functions', 'system_info'],
  'GET /version': ['host_info_functions', 'system_version'],
}

export interface ObservedHandlers {
  readonly handlers: Handlers
  readonly listCalls: ListCalls
}

/** A stream is under way, and takes, until its last byte. */
export function observeHandlers(handlers: Handlers, metrics: EngineMetrics): ObservedHandlers {
  const calls = new Set<{ path: string; startedAtMs: number }>()
  const observed = (key: RouteKey, handler: Handler): Handler => {
    const timer = TIMED[key]
    return (request) =>
      runOperation(key, () => {
        const operation = currentOperation()
        const call = { path: key, startedAtMs: Date.now() }
        const startedMs = performance.now()
        const end = (hasSucceeded: boolean) => {
          calls.delete(call)
          if (hasSucceeded && timer !== undefined) metrics.took(...timer, (performance.now() - startedMs) / 1000)
        }
        calls.add(call)
        const fail = (error: unknown) => {
          end(false)
          throw error
        }
        const take = (answer: ApiResponse): ApiResponse => {
          if (answer.kind !== 'stream') {
            end(true)
            return answer
          }
          const write: typeof answer.write = async (response) => {
            try {
              await continueOperation(operation, () => answer.write(response))
            } catch (error) {
              end(false)
              throw error
            }
            end(true)
          }
          return { ...answer, write }
        }
        try {
          const answer = handler(request)
          return answer instanceof Promise ? answer.then(take, fail) : take(answer)
        } catch (error) {
          return fail(error)
        }
      })
  }
  const entries = Object.entries(handlers) as [RouteKey, Handler][]
  return {
    handlers: Object.fromEntries(entries.map(([key, handler]) => [key, observed(key, handler)])),
    listCalls: () => [...calls],
  }
}
