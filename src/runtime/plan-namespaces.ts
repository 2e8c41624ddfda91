// Which namespaces the child is born into, and which it joins or makes afterwards.
import { Failure } from '../base/failure.ts'
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from '../linux/constants.ts'
import type { NamespaceType, RuntimeSpec } from '../oci/runtime-spec.ts'
import { quoted, type StepList } from './step-list.ts'

export const NAMESPACE_FLAG: Record<NamespaceType, number> = {
  mount: CLONE_NEWNS,
  network: CLONE_NEWNET,
  pid: CLONE_NEWPID,
  ipc: CLONE_NEWIPC,
  uts: CLONE_NEWUTS,
  cgroup: CLONE_NEWCGROUP,
  user: CLONE_NEWUSER,
  time: CLONE_NEWTIME,
}

/** @returns the flags of clone3(2). Joins are steps, before any mount is touched: their paths are the host's. */
export function planNamespaces(list: StepList, spec: RuntimeSpec): number {
  const namespaces = spec.linux?.namespaces ?? []
  checkNamespaces(namespaces)
  let cloneFlags = 0
  for (const { type, path } of namespaces) {
    const kind = NAMESPACE_FLAG[type]
    if (path && type === 'pid') continue // a matter of birth: pidNamespacePath
    if (path !== undefined && path !== '')
      list.add(`join ${type} namespace ${quoted(path)}`, { op: 'setns', path, kind })
    else if (type !== 'cgroup') cloneFlags |= kind
  }
  // Its root is the group that the process is in when it is made, so it comes after the process has entered its own.
  if (isNew(spec, 'cgroup')) list.add('make a cgroup namespace', { op: 'unshare', kinds: CLONE_NEWCGROUP })
  if (isNew(spec, 'network')) list.add('set the loopback interface up', { op: 'loopback-up' })
  return cloneFlags
}

/** pid_for_children counts for children only, so a step of the child would come too late. */
export function pidNamespacePath(spec: RuntimeSpec): string | undefined {
  return spec.linux?.namespaces?.find(({ type }) => type === 'pid')?.path || undefined
}

export function isNew(spec: RuntimeSpec, type: NamespaceType): boolean {
  return spec.linux?.namespaces?.some((namespace) => namespace.type === type && !namespace.path) === true
}

export function isOwn(spec: RuntimeSpec, type: NamespaceType): boolean {
  return spec.linux?.namespaces?.some((namespace) => namespace.type === type) === true
}

function checkNamespaces(namespaces: readonly { type: NamespaceType; path?: string }[]): void {
  const seen = new Set<string>()
  for (const { type, path } of namespaces) {
    if (seen.has(type)) throw new Failure('invalid-argument', `linux.namespaces: ${type} is given twice`)
    seen.add(type)
    if (type === 'user' || type === 'time')
      throw new Failure('unimplemented', `linux.namespaces: ${type} namespaces are not supported`)
    if (type === 'mount' && path)
      throw new Failure('unimplemented', 'linux.namespaces: joining a mount namespace by path is not supported')
  }
  if (!seen.has('mount'))
    throw new Failure('invalid-argument', 'linux.namespaces: a container needs a mount namespace of its own')
}
