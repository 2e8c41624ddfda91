// Hooks that run while the container is made and started (runtime-spec, "Lifecycle"); those after that are the caller's.
import { Failure } from '../base/failure.ts'
import { SYNC } from '../linux/steps.ts'
import type { HookSpec, HooksSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { quoted, type StepList } from './step-list.ts'

const TIMEOUT_MAX = 0xffff_ffff

export function checkHooks({ hooks }: RuntimeSpec): void {
  for (const [point, list] of Object.entries(hooks ?? {}))
    for (const [index, { path, timeout }] of list.entries()) {
      const field = `hooks.${point}[${index}]`
      if (!path.startsWith('/'))
        throw new Failure('invalid-argument', `${field}.path: ${quoted(path)} must be an absolute path`)
      if (timeout !== undefined && (timeout <= 0 || timeout > TIMEOUT_MAX))
        throw new Failure('invalid-argument', `${field}.timeout: must be a number of seconds greater than zero`)
    }
}

/** Everything is mounted and the host still in sight: what the spawner does now, and then the hooks of the container's side. */
export function planCreateHooks(list: StepList, { hooks, linux }: RuntimeSpec): void {
  const inContainer = hooks?.createContainer ?? []
  const onHost = [...(hooks?.prestart ?? []), ...(hooks?.createRuntime ?? []), ...inContainer]
  // The word that ends the wait also brings the state that the hooks in the container are given.
  if (onHost.length > 0 || Object.keys(linux?.netDevices ?? {}).length > 0)
    list.add('wait for the hooks on the host', { op: 'sync', point: SYNC.runtimeHooks })
  planHooks(list, 'createContainer', inContainer, [])
}

/** @param env the container's, which a hook without one of its own gets. */
export function planStartHooks(list: StepList, { hooks }: RuntimeSpec, env: readonly string[]): void {
  planHooks(list, 'startContainer', hooks?.startContainer ?? [], env)
}

function planHooks(list: StepList, point: keyof HooksSpec, hooks: readonly HookSpec[], env: readonly string[]): void {
  for (const [index, hook] of hooks.entries())
    list.add(`error running ${point} hook #${index}`, {
      op: 'run-hook',
      path: hook.path,
      argv: hook.args?.length ? hook.args : [hook.path],
      env: hook.env?.length ? hook.env : env,
      timeoutSeconds: hook.timeout ?? 0,
    })
}
