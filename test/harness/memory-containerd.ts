// A containerd in memory: tasks whose processes do what a test tells them, and nothing behind them. It answers as containerd does where the engine looks.
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { Clock } from '../../src/base/clock.ts'
import { Failure } from '../../src/base/failure.ts'
import { packMessage } from '../../src/containerd/client/any.ts'
import { type ContainerdClient, embedContainerd } from '../../src/containerd/client/client.ts'
import { TaskExitSchema, TaskOOMSchema } from '../../src/gen/events/task_pb.ts'
import { Containers } from '../../src/gen/services/containers_pb.ts'
import { Events } from '../../src/gen/services/events_pb.ts'
import { Leases } from '../../src/gen/services/leases_pb.ts'
import { Snapshots } from '../../src/gen/services/snapshots_pb.ts'
import { Tasks } from '../../src/gen/services/tasks_pb.ts'
import { Version } from '../../src/gen/services/version_pb.ts'
import { type Envelope, EnvelopeSchema } from '../../src/gen/types/event_pb.ts'
import { Status } from '../../src/gen/types/task_pb.ts'
import { GrpcRouter } from '../../src/wire/grpc/router.ts'

const NAMESPACE = 'moby'
const SIGKILL = 9
const SIGNALLED = 128

export interface MemoryTask {
  id: string
  pid: number
  status: Status
  exitCode: number
  exitedAtMs: number
  /** Ends by SIGKILL only. */
  isStubborn: boolean
  /** Came while it was frozen; 0 is none. */
  pendingSignal: number
}

interface StoredContainer {
  id: string
  labels: Record<string, string>
}

export class MemoryContainerd {
  readonly tasks = new Map<string, MemoryTask>()
  readonly containers = new Map<string, StoredContainer>()
  readonly snapshots = new Map<string, Record<string, string>>()
  readonly client: ContainerdClient
  /** Of the tasks that are started from now on. */
  startsStubborn = false
  /** What the next start of a task fails with. */
  nextStartFailure: Failure | undefined
  readonly #clock: Clock
  readonly #listeners = new Set<(envelope: Envelope) => void>()
  #nextPid = 1000

  constructor(clock: Clock) {
    this.#clock = clock
    const router = new GrpcRouter()
    this.#serveTasks(router)
    this.#serveStores(router)
    this.client = embedContainerd(router, NAMESPACE)
  }

  /** The process ends by itself. */
  end(id: string, exitCode: number): void {
    const task = this.#alive(id)
    task.status = Status.STOPPED
    task.exitCode = exitCode
    task.exitedAtMs = this.#clock.now()
    const exitedAt = timestampFromMs(task.exitedAtMs)
    const event = create(TaskExitSchema, { containerId: id, id, pid: task.pid, exitStatus: exitCode, exitedAt })
    this.#tell('/tasks/exit', packMessage(TaskExitSchema, event))
  }

  /** The kernel kills it for want of memory. */
  outOfMemory(id: string): void {
    this.#tell('/tasks/oom', packMessage(TaskOOMSchema, create(TaskOOMSchema, { containerId: id })))
    this.end(id, SIGNALLED + SIGKILL)
  }

  /** The machine has been switched off and on: nothing runs, and containerd knows of no task. */
  reboot(): void {
    this.tasks.clear()
  }

  #alive(id: string): MemoryTask {
    const task = this.tasks.get(id)
    if (task === undefined || task.status === Status.STOPPED)
      throw new Failure('not-found', `process ${id}: process already finished: not found`)
    return task
  }

  #tell(topic: string, event: NonNullable<Envelope['event']>): void {
    const timestamp = timestampFromMs(this.#clock.now())
    const envelope = create(EnvelopeSchema, { timestamp, namespace: NAMESPACE, topic, event })
    for (const listener of [...this.#listeners]) listener(envelope)
  }

  #serveTasks(router: GrpcRouter): void {
    const require = (id: string) => {
      const task = this.tasks.get(id)
      if (task === undefined) throw new Failure('not-found', `task ${id} not found: not found`)
      return task
    }
    const exitOf = ({ pid, exitCode, exitedAtMs }: MemoryTask) => ({
      pid,
      exitStatus: exitCode,
      exitedAt: timestampFromMs(exitedAtMs),
    })
    router.service(Tasks, {
      create: ({ containerId: id }) => {
        if (this.tasks.has(id)) throw new Failure('already-exists', `task ${id}: already exists`)
        if (!this.containers.has(id)) throw new Failure('not-found', `container ${id}: not found`)
        const pid = this.#nextPid++
        const isStubborn = this.startsStubborn
        this.tasks.set(id, {
          id,
          pid,
          status: Status.CREATED,
          exitCode: 0,
          exitedAtMs: 0,
          isStubborn,
          pendingSignal: 0,
        })
        return { containerId: id, pid }
      },
      start: ({ containerId: id }) => {
        const task = require(id)
        const failure = this.nextStartFailure
        this.nextStartFailure = undefined
        if (failure !== undefined) throw failure
        task.status = Status.RUNNING
        return { pid: task.pid }
      },
      delete: ({ containerId: id }) => {
        const task = require(id)
        if (task.status === Status.RUNNING || task.status === Status.PAUSED)
          throw new Failure('failed-precondition', `task ${id} is running: failed precondition`)
        this.tasks.delete(id)
        return exitOf(task)
      },
      kill: ({ containerId: id, signal }) => {
        const task = this.#alive(id)
        if (signal !== SIGKILL && task.status === Status.PAUSED) task.pendingSignal = signal
        else if (signal === SIGKILL || !task.isStubborn) this.end(id, SIGNALLED + signal)
        return {}
      },
      pause: ({ containerId: id }) => {
        this.#alive(id).status = Status.PAUSED
        return {}
      },
      resume: ({ containerId: id }) => {
        const task = this.#alive(id)
        task.status = Status.RUNNING
        const { pendingSignal } = task
        task.pendingSignal = 0
        if (pendingSignal !== 0 && !task.isStubborn) this.end(id, SIGNALLED + pendingSignal)
        return {}
      },
      update: ({ containerId: id }) => {
        this.#alive(id)
        return {}
      },
      wait: ({ containerId: id }) => exitOf(require(id)),
      list: () => ({
        tasks: [...this.tasks.values()].map((task) => ({
          ...exitOf(task),
          id: task.id,
          containerId: task.id,
          status: task.status,
        })),
      }),
    })
    router.service(Version, { version: () => ({ version: 'v1.7.27+berth' }) })
  }

  #serveStores(router: GrpcRouter): void {
    const listeners = this.#listeners
    router.service(Containers, {
      create: ({ container }) => {
        const { id = '', labels = {} } = container ?? {}
        if (this.containers.has(id)) throw new Failure('already-exists', `container ${id}: already exists`)
        this.containers.set(id, { id, labels })
        return { container: { id, labels } }
      },
      delete: ({ id }) => {
        if (!this.containers.delete(id)) throw new Failure('not-found', `container ${id}: not found`)
        return {}
      },
      list: () => ({ containers: [...this.containers.values()] }),
    })
    router.service(Snapshots, {
      prepare: ({ key, labels }) => {
        this.snapshots.set(key, labels)
        return { mounts: [] }
      },
      mounts: () => ({ mounts: [] }),
      remove: ({ key }) => {
        if (!this.snapshots.delete(key)) throw new Failure('not-found', `snapshot ${key}: not found`)
        return {}
      },
      list: async function* (this: void) {
        yield { info: [...snapshots].map(([name, labels]) => ({ name, labels })) }
      },
    })
    const { snapshots } = this
    router.service(Leases, { list: () => ({ leases: [] }) })
    router.service(Events, {
      publish: () => ({}),
      subscribe: async function* (_request, context) {
        const queue: Envelope[] = []
        let wake = () => {}
        const listener = (envelope: Envelope) => {
          queue.push(envelope)
          wake()
        }
        const onAbort = () => wake()
        listeners.add(listener)
        context.signal.addEventListener('abort', onAbort, { once: true })
        context.accept()
        try {
          while (!context.signal.aborted) {
            const next = queue.shift()
            if (next !== undefined) yield next
            else
              await new Promise<void>((resolve) => {
                wake = resolve
              })
          }
        } finally {
          listeners.delete(listener)
          context.signal.removeEventListener('abort', onAbort)
        }
      },
    })
  }
}
