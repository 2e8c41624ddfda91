// containerd's events as typed values, across restarts of the daemon.
import type { Message } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt'
import { type Clock, systemClock } from '../../base/clock.ts'
import { isFailure } from '../../base/failure.ts'
import {
  type TaskCreate,
  TaskCreateSchema,
  type TaskDelete,
  TaskDeleteSchema,
  type TaskExecAdded,
  TaskExecAddedSchema,
  type TaskExecStarted,
  TaskExecStartedSchema,
  type TaskExit,
  TaskExitSchema,
  type TaskOOM,
  TaskOOMSchema,
  type TaskPaused,
  TaskPausedSchema,
  type TaskResumed,
  TaskResumedSchema,
  type TaskStart,
  TaskStartSchema,
} from '../../gen/events/task_pb.ts'
import type { Envelope } from '../../gen/types/event_pb.ts'
import { unpackMessage } from './any.ts'
import type { ContainerdClient } from './client.ts'
import { subscribe } from './subscribe.ts'

/** Decoded by topic. */
export type ContainerdEvent = { namespace: string; timeMs: number; timeNs: bigint } & (
  | { topic: '/tasks/create'; event: TaskCreate }
  | { topic: '/tasks/start'; event: TaskStart }
  | { topic: '/tasks/exit'; event: TaskExit }
  | { topic: '/tasks/delete'; event: TaskDelete }
  | { topic: '/tasks/oom'; event: TaskOOM }
  | { topic: '/tasks/exec-added'; event: TaskExecAdded }
  | { topic: '/tasks/exec-started'; event: TaskExecStarted }
  | { topic: '/tasks/paused'; event: TaskPaused }
  | { topic: '/tasks/resumed'; event: TaskResumed }
  /** A subscription begins, at first and again after the daemon was away: what happened in between must be asked for. */
  | { topic: 'subscribed' }
)

export type TaskTopic = Exclude<ContainerdEvent['topic'], 'subscribed'>

const SCHEMAS: Record<string, GenMessage<Message>> = {
  '/tasks/create': TaskCreateSchema,
  '/tasks/start': TaskStartSchema,
  '/tasks/exit': TaskExitSchema,
  '/tasks/delete': TaskDeleteSchema,
  '/tasks/oom': TaskOOMSchema,
  '/tasks/exec-added': TaskExecAddedSchema,
  '/tasks/exec-started': TaskExecStartedSchema,
  '/tasks/paused': TaskPausedSchema,
  '/tasks/resumed': TaskResumedSchema,
}

const RETRY_MS = 50

/** Task events of the client's namespace until the signal aborts: those of `topics`, or all. What is left out costs nothing but containerd's look at its topic. */
export async function* watchTaskEvents(
  client: ContainerdClient,
  signal: AbortSignal,
  { clock = systemClock, topics }: { clock?: Clock; topics?: readonly TaskTopic[] } = {},
): AsyncGenerator<ContainerdEvent> {
  const ofTopic = topics?.map((topic) => `topic==${JSON.stringify(topic)}`) ?? ['topic~="^/tasks/"']
  const filters = ofTopic.map((filter) => `namespace==${client.namespace},${filter}`)
  while (!signal.aborted) {
    try {
      yield* follow(client, filters, signal, clock)
    } catch (error) {
      if (signal.aborted) return
      if (!isFailure(error, 'unavailable', 'cancelled', 'internal')) throw error
    }
    await clock.sleep(RETRY_MS, signal)
  }
}

/** One subscription: `subscribed` as soon as the daemon has set it up, then the events. */
async function* follow(
  client: ContainerdClient,
  filters: string[],
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<ContainerdEvent> {
  let accept: () => void = () => {}
  const accepted = new Promise<void>((resolve) => {
    accept = resolve
  })
  const stop = new AbortController() // ends the call also when the caller leaves the loop while nothing happens
  const onAbort = (): void => stop.abort()
  signal.addEventListener('abort', onAbort, { once: true })
  const envelopes = subscribe(client, filters, { signal: stop.signal, clock, onBegun: accept })[Symbol.asyncIterator]()
  try {
    if (signal.aborted) return
    let next = envelopes.next()
    await Promise.race([accepted, next])
    const now = Date.now()
    yield { namespace: client.namespace, timeMs: now, timeNs: BigInt(now) * 1_000_000n, topic: 'subscribed' }
    for (let result = await next; !result.done; result = await next) {
      next = envelopes.next()
      next.catch(() => {}) // seen by the await of the next round
      const event = decode(result.value)
      if (event !== undefined) yield event
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    stop.abort()
    await envelopes.return?.()
  }
}

function decode(envelope: Envelope): ContainerdEvent | undefined {
  const common = {
    namespace: envelope.namespace,
    timeMs: millisOf(envelope.timestamp),
    timeNs: nanosOf(envelope.timestamp),
  }
  const schema = SCHEMAS[envelope.topic]
  const event = schema === undefined ? undefined : unpackMessage(schema, envelope.event)
  return event === undefined ? undefined : ({ ...common, topic: envelope.topic, event } as ContainerdEvent)
}

function millisOf(timestamp: Timestamp | undefined): number {
  return timestamp === undefined ? 0 : timestampMs(timestamp)
}

function nanosOf(timestamp: Timestamp | undefined): bigint {
  return timestamp === undefined ? 0n : timestamp.seconds * 1_000_000_000n + BigInt(timestamp.nanos)
}
