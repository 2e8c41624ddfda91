// After a restart: every bundle becomes a task again where its shim lives, and is cleaned up where it does not.
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isFailure, messageOf } from '../../base/failure.ts'
import * as m from '../../wire/shim-v2/messages.ts'
import { type Bundle, readEndpoint, readProgram } from './bundle.ts'
import { askConnect, watchShim } from './create-shim-task.ts'
import { endUnanswered, giveUp, removeLeft } from './end-shim.ts'
import { resolveShim } from './resolve-shim.ts'
import { drainShimLog } from './shim-log.ts'
import type { ShimHost } from './shim-host.ts'
import { ShimTask } from './shim-task.ts'
import { TaskClient } from './task-client.ts'

const PIDS_MS = 5_000

/** Call once, before anybody asks for tasks. One bundle that makes trouble does not keep the others from being loaded. */
export async function loadShims(host: ShimHost): Promise<void> {
  const bundles = namesIn(host.state).flatMap((namespace) =>
    namesIn(join(host.state, namespace)).map((id) => ({ namespace, id, path: join(host.state, namespace, id) })),
  )
  await Promise.all(
    bundles.map(async (bundle) => {
      try {
        await loadShim(host, bundle)
      } catch (error) {
        host.log.error('loading a task failed', { task: bundle.id, error: messageOf(error) })
        await endUnanswered(host, bundle, programOf(host, bundle))
        await removeLeft(host, bundle)
      }
    }),
  )
  await sweepWork(host)
}

async function loadShim(host: ShimHost, bundle: Bundle): Promise<void> {
  const endpoint = readEndpoint(bundle)
  const program = programOf(host, bundle)
  if (endpoint === undefined || program === undefined) throw new Error('the shim had not been started')
  const client = await TaskClient.connect(endpoint, bundle.namespace)
  const answer = await askConnect(client, bundle)
  const log = drainShimLog(host, bundle)
  const task = new ShimTask(host, { bundle, program, client, log, shim: answer?.shim })
  task.pid = answer?.taskPid ?? 0
  if (await isWithoutContainer(task)) {
    host.log.info('ending a shim without a container', { task: bundle.id })
    await giveUp(host, task)
    log.close()
    await removeLeft(host, bundle)
    return
  }
  host.tasks.set(`${bundle.namespace}/${bundle.id}`, task)
  watchShim(host, task)
  host.log.info('adopted a task of a shim', { task: bundle.id, shim: program })
}

/** We went away between the shim's start and the container's creation. A shim that cannot say is believed to have one. */
async function isWithoutContainer({ client, id }: ShimTask): Promise<boolean> {
  try {
    const { processes } = await client.call('Pids', m.ContainerRequest, m.PidsResponse, { id }, { timeoutMs: PIDS_MS })
    return processes.length === 0 && !(await hasState(client, id))
  } catch (error) {
    return isFailure(error, 'not-found')
  }
}

/** A container whose processes have all ended has none to list, and is there until it is deleted. */
async function hasState(client: TaskClient, id: string): Promise<boolean> {
  try {
    await client.call('State', m.ProcessRequest, m.StateResponse, { id }, { timeoutMs: PIDS_MS })
    return true
  } catch (error) {
    return !isFailure(error, 'not-found')
  }
}

function programOf(host: ShimHost, bundle: Bundle): string | undefined {
  const known = readProgram(bundle) ?? host.runtimeNameOf(bundle.namespace, bundle.id)
  try {
    return known === undefined ? undefined : resolveShim(known, host.program)
  } catch (error) {
    host.log.warn('a task’s shim is not here any more', { task: bundle.id, error: messageOf(error) })
    return undefined
  }
}

/** What lies on disk of tasks that a reboot has ended. */
async function sweepWork(host: ShimHost): Promise<void> {
  for (const namespace of namesIn(host.root, true))
    for (const id of namesIn(join(host.root, namespace), true))
      if (!host.tasks.has(`${namespace}/${id}`))
        await rm(join(host.root, namespace, id), { recursive: true, force: true })
}

/** Names with a dot in front are on their way out: they go now. */
function namesIn(directory: string, withHidden = false): string[] {
  try {
    const names = readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    )
    return names.filter((name) => withHidden || !name.startsWith('.'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
