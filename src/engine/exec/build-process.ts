// The process of an exec: the container's own, with what the exec changes.
import { Failure } from '../../base/failure.ts'
import { RUNTIME_SPEC_TYPE, unpackJson } from '../../containerd/client/any.ts'
import type { ProcessSpec, RuntimeSpec } from '../../oci/runtime-spec.ts'
import { readUserFilesOfProcess } from '../container/read-user-files.ts'
import { resolveAddedGroup, resolveUser } from '../container/spec/resolve-user.ts'
import { specHost } from '../container/spec-facts.ts'
import { DEFAULT_PROFILE } from '../apparmor/choose-profile.ts'
import { ensureDefaultProfile } from '../apparmor/load-profile.ts'
import type { Engine } from '../engine.ts'
import type { Exec } from './exec-store.ts'

const DEFAULT_TERM = 'TERM=xterm'

export async function buildExecProcess(
  engine: Engine,
  exec: Exec,
  consoleSize: readonly [height: number, width: number] | undefined,
  signal?: AbortSignal,
): Promise<ProcessSpec> {
  const { container, config } = exec
  const { record } = container
  container.processSpec ??= await fetchProcessSpec(engine, container.id)
  const base = container.processSpec
  if (base.apparmorProfile === DEFAULT_PROFILE) await ensureDefaultProfile()
  const { consoleSize: _size, terminal: _terminal, ...kept } = base
  const cwd = config.workingDir || record.config.WorkingDir || '/'
  if (!cwd.startsWith('/'))
    throw new Failure('unknown', 'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown')
  const user = config.user || record.config.User || ''
  const { passwd, group } = await readUserFilesOfProcess(engine, container.state.pid, signal)
  const { uid, gid, additionalGids } = resolveUser(user, passwd, group)
  const added = (record.hostConfig.GroupAdd ?? []).map((name) => resolveAddedGroup(name, group))
  return {
    ...kept,
    ...(config.terminal ? { terminal: true } : {}),
    ...(config.terminal && consoleSize && consoleSize[0] > 0 && consoleSize[1] > 0
      ? { consoleSize: { height: consoleSize[0], width: consoleSize[1] } }
      : {}),
    user: { uid, gid, additionalGids: [...new Set([gid, ...additionalGids, ...added])] },
    args: [...config.command],
    env: environment(base.env ?? [], exec),
    cwd,
    ...(config.privileged ? { capabilities: allCapabilities(engine) } : {}),
  }
}

/** The container's variables, TERM by the exec's own terminal, and the exec's on top. */
function environment(base: readonly string[], { config, container, linkVariables }: Exec): string[] {
  const own = container.record.config.Env ?? []
  const setsTerm = own.some((variable) => variable.startsWith('TERM='))
  const linked = linkVariables.length === 0 ? [] : [...linkVariables, ...own]
  const inherited = base.filter((variable) => setsTerm || variable !== DEFAULT_TERM)
  const variables = new Map<string, string>()
  for (const variable of [
    ...inherited,
    ...linked,
    ...(config.terminal && !setsTerm ? [DEFAULT_TERM] : []),
    ...config.env,
  ]) {
    const equals = variable.indexOf('=')
    if (equals < 0) variables.delete(variable)
    else variables.set(variable.slice(0, equals), variable)
  }
  return [...variables.values()]
}

function allCapabilities(engine: Engine): NonNullable<ProcessSpec['capabilities']> {
  const all = [...specHost(engine).capabilities]
  return { bounding: all, effective: all, permitted: all }
}

/** Of a container that a former engine has started. */
async function fetchProcessSpec(engine: Engine, id: string): Promise<ProcessSpec> {
  const { container } = await engine.containerd.containers.get({ id })
  const { process } = unpackJson(RUNTIME_SPEC_TYPE, container?.spec) as RuntimeSpec
  if (process === undefined) throw new Failure('internal', `container ${id} has no process in its spec`)
  return process
}
