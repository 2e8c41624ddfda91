// tasks.Delete under a shim: the shim forgets the container, and ends where it was the last.
import { isFailure } from '../../base/failure.ts'
import * as m from '../../wire/shim-v2/messages.ts'
import type { TaskHandle } from '../tasks/task-runtime.ts'
import { removeLeft, shutDown } from './end-shim.ts'
import type { ShimHost } from './shim-host.ts'
import type { ShimTask } from './shim-task.ts'
import { exitOf, passedOn } from './task-client.ts'

/** Safe to repeat after a crash: a shim without its container is found out when the bundle is loaded. */
export async function deleteShimTask(host: ShimHost, task: ShimTask): ReturnType<TaskHandle['delete']> {
  const deleted = await askDelete(task)
  if (deleted === undefined) return { pid: task.pid, exit: await task.gone }
  // Its shim has told of the end; what comes now happens to nobody's task any more.
  task.isEnding = true
  host.tasks.delete(`${task.namespace}/${task.id}`)
  await shutDown(host, task)
  task.log.close()
  await removeLeft(host, task.bundle)
  const exit = exitOf(deleted)
  task.settle(exit)
  return { pid: deleted.pid, exit }
}

/** Undefined where the shim has died: then it is cleaned up after already. */
async function askDelete(task: ShimTask) {
  try {
    return await task.client.call('Delete', m.ProcessRequest, m.DeleteResponse, { id: task.id })
  } catch (error) {
    if (!task.client.isOpen) return undefined
    // A shim that does not know the container is as good as dead.
    if (isFailure(error, 'not-found')) {
      task.client.close()
      await task.gone
    }
    throw passedOn(error, 'failed to delete task: ')
  }
}
