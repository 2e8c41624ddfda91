// Other people's shims behind the service's interface.
import { mkdirSync } from 'node:fs'
import type { TaskCreation, TaskHandle, TaskRuntime } from '../tasks/task-runtime.ts'
import { createShimTask } from './create-shim-task.ts'
import { loadShims } from './load-shims.ts'
import type { ShimHost } from './shim-host.ts'

export class ShimRuntime implements TaskRuntime {
  readonly #host: ShimHost

  private constructor(host: ShimHost) {
    this.#host = host
  }

  /** Resolves when the tasks of living shims are found again and those of dead ones cleaned up after. */
  static async open(host: ShimHost): Promise<ShimRuntime> {
    for (const directory of [host.state, host.root]) mkdirSync(directory, { recursive: true, mode: 0o711 })
    await loadShims(host)
    return new ShimRuntime(host)
  }

  create(request: TaskCreation): Promise<TaskHandle> {
    return createShimTask(this.#host, request)
  }

  find(namespace: string, id: string): TaskHandle | undefined {
    return this.#host.tasks.get(`${namespace}/${id}`)
  }

  list(namespace: string): TaskHandle[] {
    return [...this.#host.tasks.values()].filter((task) => task.namespace === namespace)
  }
}
