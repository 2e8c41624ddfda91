// The lifecycle's hooks and sync points, as far as the built-in runtime leaves them to whoever makes the process.
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { runHooks, runHooksToTheEnd, type StateDocument } from '../../runtime/host/run-hooks.ts'
import { keptState, serveSync } from '../../runtime/host/serve-sync.ts'
import type { OnSync } from '../../shim/shim.ts'
import type { Task } from './task.ts'
import type { TaskHost } from './task-host.ts'

const ROOT = { isRootless: false, euid: 0, egid: 0 }

/** Id maps, prestart and createRuntime hooks, seccomp listeners, while the first process waits. */
export function syncOf(task: Task): OnSync {
  const { id, spec, ociBundle: bundle, cgroup } = task
  const enter = cgroup.entry().byAdd === true ? { enterCgroup: (pid: number) => cgroup.add(pid) } : {}
  return (request) => serveSync(request, { id, spec, bundle, mapper: ROOT, ...enter })
}

/** What startContainer hooks read; undefined where there are none. */
export function startState(task: Task): string | undefined {
  return isEmpty(task.spec, 'startContainer') ? undefined : keptState(stateOf(task, 'created'))
}

/** Throws at the first that fails: then the container is not to go on. */
export async function runPoststart(task: Task): Promise<void> {
  if (isEmpty(task.spec, 'poststart')) return
  await runHooks({ hooks: task.spec.hooks?.poststart, state: stateOf(task, 'running'), cwd: task.ociBundle })
}

/** All of them, whatever becomes of each. */
export async function runPoststop(host: TaskHost, task: Task): Promise<void> {
  if (isEmpty(task.spec, 'poststop')) return
  const run = { hooks: task.spec.hooks?.poststop, state: stateOf(task, 'stopped'), cwd: task.ociBundle }
  await runHooksToTheEnd(run, (error) => host.log.warn(error.message, { task: task.id }))
}

function isEmpty({ hooks }: RuntimeSpec, kind: keyof NonNullable<RuntimeSpec['hooks']>): boolean {
  return (hooks?.[kind] ?? []).length === 0
}

function stateOf({ id, spec, ociBundle, init }: Task, status: 'created' | 'running' | 'stopped'): StateDocument {
  const { ociVersion, annotations } = spec
  const pid = status === 'stopped' ? {} : { pid: init.pid }
  return { ociVersion, id, status, ...pid, bundle: ociBundle, ...(annotations === undefined ? {} : { annotations }) }
}
