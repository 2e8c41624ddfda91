// What whoever makes a container's process does while it waits at a sync point (linux/steps.ts, SYNC).
import { Failure } from '../../base/failure.ts'
import { SYNC, type SyncPoint } from '../../linux/steps.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import type { Mapper } from './map-ids.ts'
import type { StateDocument } from './run-hooks.ts'

export interface SyncRequest {
  point: SyncPoint
  value: number
  pid: number
}

export interface SyncContext {
  id: string
  spec: RuntimeSpec
  /** Absolute. */
  bundle: string
  mapper: Mapper
  /** Moves the process into its control group, where it may not enter by itself. */
  enterCgroup?: (pid: number) => Promise<void>
}

/**
 * Loads what most containers do without when it is needed. Resolves with the state that the process keeps for its own hooks, as JSON. Throws Failure to give up on it.
 */
export async function serveSync({ point, value, pid }: SyncRequest, context: SyncContext): Promise<string> {
  const { spec, bundle, mapper } = context
  const state = creatingState(context, pid)
  switch (point) {
    case SYNC.identity: {
      const { uidMappings: uid = [], gidMappings: gid = [] } = spec.linux ?? {}
      const { mapIds } = await import('./map-ids.ts')
      mapIds(pid, { uid, gid }, mapper)
      await context.enterCgroup?.(pid)
      return ''
    }
    case SYNC.runtimeHooks: {
      const { moveNetDevices } = await import('./net-devices.ts')
      const { runHooks } = await import('./run-hooks.ts')
      moveNetDevices(pid, spec.linux?.netDevices ?? {})
      const hooks = [...(spec.hooks?.prestart ?? []), ...(spec.hooks?.createRuntime ?? [])]
      await runHooks({ hooks, state, cwd: bundle })
      return spec.hooks?.createContainer === undefined ? '' : keptState(state)
    }
    case SYNC.seccomp: {
      const { sendSeccompListener } = await import('./seccomp-listener.ts')
      sendSeccompListener({ pid, fd: value, spec, state })
      return ''
    }
    default:
      throw new Failure('internal', `sync point ${String(point)} is not known`)
  }
}

/** What the process takes with a word (native/README.md). */
const STATE_BYTES_MAX = 64 << 10

/** Throws Failure where the annotations make it larger than a process takes. */
export function keptState(state: StateDocument): string {
  const text = JSON.stringify(state)
  if (Buffer.byteLength(text) > STATE_BYTES_MAX)
    throw new Failure('invalid-argument', `annotations: the state for hooks is larger than ${STATE_BYTES_MAX} bytes`)
  return text
}

function creatingState({ id, spec, bundle }: SyncContext, pid: number): StateDocument {
  const { annotations } = spec
  return {
    ociVersion: spec.ociVersion,
    id,
    status: 'creating',
    pid,
    bundle,
    ...(annotations === undefined ? {} : { annotations }),
  }
}
