// Which namespaces the process is born into, which it joins, and where it is born again to be in the rest.
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  PR_SET_DUMPABLE,
} from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import { SYNC } from '../linux/steps.ts'
import type { IdMapping, NamespaceType, RuntimeSpec } from '../oci/runtime-spec.ts'
import type { HostFacts, Launch, PlanContainer } from './plan-types.ts'
import { quoted, type StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

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

/** Flags of clone3(2) for the process's birth. With a user namespace it is born on the host, to prepare what only the host may. */
export function birthFlags(spec: RuntimeSpec): number {
  return hasUserNamespace(spec) ? 0 : newKinds(spec) & ~CLONE_NEWCGROUP
}

/** Without a user namespace everything that is joined or made after birth. Paths are the host's: before any mount is touched. */
export function planNamespaces(list: StepList, { spec }: Input): void {
  planJoins(list, spec, isJoinedOnHost)
  // Its root is the group that the process is in when it is made, so it comes after the process has entered its own.
  if (isNew(spec, 'cgroup')) list.add('make a cgroup namespace', { op: 'unshare', kinds: CLONE_NEWCGROUP })
  if (isNew(spec, 'time')) {
    planTimeNamespace(list, spec)
    planEnterTimeNamespace(list)
  }
  planJoins(list, spec, ({ type }) => type === 'mount')
  if (isNew(spec, 'network')) list.add('set the loopback interface up', { op: 'loopback-up' })
}

/**
 * With a user namespace: what the host's root may join it joins first, then the user namespace comes with a second birth, and everything
 * that is made belongs to it. An ordinary user has no rights before that, and joins afterwards.
 */
export function planUserNamespace(list: StepList, input: Input): void {
  const { spec, launch } = input
  const isRootless = launch?.rootless === true
  planGiveStreams(list, spec, launch)
  if (!isRootless) {
    planJoins(list, spec, isJoinedOnHost)
    planJoins(list, spec, ({ type }) => type === 'pid')
    if (isNew(spec, 'time')) planTimeNamespace(list, spec)
  }
  planJoins(list, spec, ({ type }) => type === 'user')
  if (isRootless) planJoins(list, spec, ({ type }) => type === 'pid')
  planJoins(list, spec, ({ type }) => type === 'mount')
  const isOwnUser = isNew(spec, 'user')
  list.add('make the namespaces', { op: 'clone', flags: newKinds(spec) })
  if (isOwnUser) list.add('wait for the id maps', { op: 'sync', point: SYNC.identity })
  if (isRootless) {
    planJoins(list, spec, isJoinedOnHost)
    if (isNew(spec, 'time')) {
      planTimeNamespace(list, spec)
      planEnterTimeNamespace(list)
    }
    list.add('close the process to others again', { op: 'prctl', option: PR_SET_DUMPABLE, arg2: 0n })
  }
  planBecomeRoot(list, input.host, isRootless)
  if (isNew(spec, 'network')) list.add('set the loopback interface up', { op: 'loopback-up' })
}

/** What the shim has made for the process is the host's root's, whom the namespace does not know. Streams of a caller's are the caller's affair. */
export function planGiveStreams(list: StepList, spec: RuntimeSpec, launch: Pick<Launch, 'rootless'> | undefined): void {
  const root = namespaceRoot(spec)
  if (launch !== undefined || root === undefined) return
  list.add("give the streams to the user namespace's root", { op: 'own-streams', ...root })
}

/** The host's ids of the user namespace's root; undefined where the spec maps none. */
export function namespaceRoot({ linux }: RuntimeSpec): { uid: number; gid: number } | undefined {
  const [uid, gid] = [rootOf(linux?.uidMappings), rootOf(linux?.gidMappings)]
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}

function rootOf(mappings: readonly IdMapping[] | undefined): number | undefined {
  return mappings?.find(({ containerID }) => containerID === 0)?.hostID
}

/** Whoever clones or joins a user namespace is nobody in it until he says who he is. */
export function planBecomeRoot(list: StepList, host: HostFacts, isRootless: boolean): void {
  const sentence = 'become root of the user namespace'
  if (!isRootless && host.deniesSetgroups !== true)
    list.add(sentence, { op: 'set-ids', uid: 0, gid: 0, groups: [], skipOn: { errnos: [ERRNO.EPERM], skip: 0 } })
  // A namespace that was made without privileges refuses setgroups(2) for ever.
  list.add(sentence, { op: 'set-ids', uid: 0, gid: 0 })
}

interface Namespace {
  type: NamespaceType
  path?: string
}

/** Of the others each has its own moment. */
function isJoinedOnHost({ type }: Namespace): boolean {
  return type !== 'pid' && type !== 'mount' && type !== 'user'
}

function planJoins(list: StepList, spec: RuntimeSpec, isWanted: (namespace: Namespace) => boolean): void {
  for (const namespace of spec.linux?.namespaces ?? []) {
    const { type, path } = namespace
    if (path && isWanted(namespace))
      list.add(`join ${type} namespace ${quoted(path)}`, { op: 'setns', path, kind: NAMESPACE_FLAG[type] })
  }
}

/** Offsets can be set as long as nobody is in the namespace (time_namespaces(7)). */
function planTimeNamespace(list: StepList, { linux }: RuntimeSpec): void {
  list.add('make a time namespace', { op: 'unshare', kinds: CLONE_NEWTIME })
  const offsets = Object.entries(linux?.timeOffsets ?? {})
  if (offsets.length === 0) return
  list.add('set the offsets of the clocks', {
    op: 'write-file',
    path: '/proc/self/timens_offsets',
    data: offsets.map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`).join(''),
  })
}

function planEnterTimeNamespace(list: StepList): void {
  const path = '/proc/self/ns/time_for_children'
  list.add('enter the time namespace', { op: 'setns', path, kind: CLONE_NEWTIME })
}

/** Flags of what is made together. A time namespace is made before, for its offsets. */
function newKinds(spec: RuntimeSpec): number {
  return (spec.linux?.namespaces ?? [])
    .filter(({ type, path }) => !path && type !== 'time')
    .reduce((kinds, { type }) => kinds | NAMESPACE_FLAG[type], 0)
}

export function hasUserNamespace(spec: RuntimeSpec): boolean {
  return isOwn(spec, 'user')
}

/** pid_for_children counts for children only: a step comes too late, unless the process is born again. */
export function pidNamespacePath(spec: RuntimeSpec): string | undefined {
  return hasUserNamespace(spec) ? undefined : joinedPath(spec, 'pid')
}

export function isNew(spec: RuntimeSpec, type: NamespaceType): boolean {
  return spec.linux?.namespaces?.some((namespace) => namespace.type === type && !namespace.path) === true
}

export function isOwn(spec: RuntimeSpec, type: NamespaceType): boolean {
  return spec.linux?.namespaces?.some((namespace) => namespace.type === type) === true
}

/** Where the namespace is joined; undefined where it is made, or the runtime's own. */
export function joinedPath(spec: RuntimeSpec, type: NamespaceType): string | undefined {
  return spec.linux?.namespaces?.find((namespace) => namespace.type === type)?.path || undefined
}
