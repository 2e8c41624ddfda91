// From an OCI configuration to the list of kernel steps that make the container's first process. A pure function.
import { posix } from 'node:path'
import { Failure } from '../base/failure.ts'
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from '../linux/constants.ts'
import { ROOTFS_SLOT, type Slot } from '../linux/steps.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { checkSupported } from './check-supported.ts'
import { planDevices } from './plan-devices.ts'
import { consoleSocketSlot, planHostOpenings } from './plan-launch.ts'
import { planMounts, planSharedSources } from './plan-mounts.ts'
import { pidNamespacePath, planNamespaces } from './plan-namespaces.ts'
import { planMaskedPaths, planReadonlyPaths } from './plan-paths.ts'
import { planCredentials, planOomScore, planProcessEnd } from './plan-process.ts'
import { planSysctls } from './plan-sysctls.ts'
import type { DescribedPlan, PlanContainer } from './plan-types.ts'
import { KEEP_GROUP, SLOT, StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

/**
 * The order is the kernel's: groups and namespaces first, mounts while the host is still in sight, pivot, and then privileges
 * go one by one. Until `exec` nothing of the image has run, and nothing in it was reached by a path string.
 */
export const planContainer: PlanContainer = (input) => {
  const { spec, cgroup } = input
  const process = requireProcess(input)
  checkSupported(spec)
  const list = new StepList()
  planHostOpenings(list, input.launch, process.terminal === true)
  for (const step of cgroup.steps) list.add('enter the control group', step)
  const cloneFlags = planNamespaces(list, spec)
  list.add('start a session', { op: 'setsid' })
  if (input.launch?.noNewKeyring !== true)
    list.add('join a session keyring', {
      op: 'session-keyring',
      name: `_ses.${input.id}`,
      skipOn: { errnos: [38 /* ENOSYS: built without keys */], skip: 0 },
    })
  planOomScore(list, process)

  const shared = planSharedSources(list, spec.mounts ?? [])
  planRootfs(list, input)
  planMounts(list, input, shared)
  planDevices(list, input)
  planSysctls(list, spec)
  planMaskedPaths(list, spec.linux?.maskedPaths ?? [])
  planReadonlyPaths(list, spec.linux?.readonlyPaths ?? [])
  planWorkingDirectory(list, process.cwd)
  planPivot(list, input)
  planNames(list, input)
  planTerminal(list, process, consoleSocketSlot(input.launch))

  planCredentials(list, input, process)
  planProcessEnd(list, input, process)
  return describe(list, input, process, cloneFlags)
}

function requireProcess({ spec }: Input): ProcessSpec {
  if (spec.process === undefined) throw new Failure('invalid-argument', 'process: required to create a container')
  if (spec.root === undefined) throw new Failure('invalid-argument', 'root: required to create a container')
  return spec.process
}

/** Nothing that is mounted from here on may reach the host, so the copy of its mount tree only listens (or not even that). */
function planRootfs(list: StepList, { spec, rootfsDirectory, launch }: Input): void {
  const kind = isPrivateRoot(spec) ? MS_PRIVATE : MS_SLAVE
  list.add('cut the mount tree off from the host', { op: 'propagation', path: '/', flags: MS_REC | kind })
  if (launch?.rootfsSource !== undefined) {
    const path = launch.rootfsSource
    list.add(`open the root file system ${path}`, { op: 'open-tree', slot: ROOTFS_SLOT, path, recursive: true })
    if (!ROOT_PROPAGATION_SLAVE.has(spec.linux?.rootfsPropagation ?? ''))
      list.add('take the root file system out of its peer group', {
        op: 'mount-setattr',
        slot: ROOTFS_SLOT,
        set: 0n,
        clear: 0n,
        propagation: BigInt(MS_PRIVATE),
        recursive: false,
      })
  }
  list.add('mount the root file system', { op: 'move-mount-to-path', from: ROOTFS_SLOT, path: rootfsDirectory })
}

function isPrivateRoot(spec: RuntimeSpec): boolean {
  return spec.linux?.rootfsPropagation === 'private' || spec.linux?.rootfsPropagation === 'rprivate'
}

/** Docker's rule: a working directory that the image lacks is made. */
function planWorkingDirectory(list: StepList, cwd: string): void {
  if (posix.normalize(cwd) === '/') return
  list.add(`mkdir ${cwd}`, {
    op: 'make-path',
    slot: SLOT.target,
    root: ROOTFS_SLOT,
    path: posix.normalize(cwd),
    kind: 'directory',
    mode: 0o755,
  })
}

/** With these, what the host mounts below the root later shows up in the container too. */
const ROOT_PROPAGATION_SLAVE = new Set(['slave', 'rslave'])

const ROOT_PROPAGATION: Record<string, number> = {
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
}

function planPivot(list: StepList, { spec, launch }: Input): void {
  if (spec.root?.readonly === true)
    list.add('make the root file system read-only', {
      op: 'mount-setattr',
      slot: ROOTFS_SLOT,
      set: 1n,
      clear: 0n,
      propagation: 0n,
      recursive: false,
    })
  if (launch?.noPivot === true) {
    if (isPrivateRoot(spec))
      throw new Failure('invalid-argument', 'rootfsPropagation of [r]private is not safe without pivot_root')
    list.add('move the root file system to /', { op: 'move-root', root: ROOTFS_SLOT })
  } else list.add('pivot_root', { op: 'pivot-root', root: ROOTFS_SLOT })
  const flags = ROOT_PROPAGATION[spec.linux?.rootfsPropagation ?? '']
  if (flags !== undefined) list.add('set the propagation of the root', { op: 'propagation', path: '/', flags })
}

function planNames(list: StepList, { spec }: Input): void {
  const ownNames = spec.linux?.namespaces?.some(({ type }) => type === 'uts') === true
  for (const [field, name] of [
    ['hostname', spec.hostname],
    ['domainname', spec.domainname],
  ] as const) {
    if (name === undefined || name === '') continue
    if (!ownNames) throw new Failure('invalid-argument', `unable to set ${field} without a private UTS namespace`)
    list.add(`set${field}`, field === 'hostname' ? { op: 'sethostname', name } : { op: 'setdomainname', name })
  }
}

function planTerminal(list: StepList, process: ProcessSpec, socket: Slot | undefined): void {
  if (process.terminal !== true) return
  list.add('open a pseudoterminal', {
    op: 'pty',
    devpts: SLOT.devpts,
    console: SLOT.console,
    rows: process.consoleSize?.height ?? 0,
    columns: process.consoleSize?.width ?? 0,
    uid: process.user?.uid ?? 0,
    gid: KEEP_GROUP,
    ...(socket === undefined ? {} : { socket }),
  })
}

function describe(list: StepList, input: Input, process: ProcessSpec, cloneFlags: number): DescribedPlan {
  const joinedPid = pidNamespacePath(input.spec)
  return {
    plan: {
      cloneFlags,
      joinInitPidNamespace: false,
      ...(joinedPid === undefined ? {} : { pidNamespacePath: joinedPid }),
      cgroupDirectory: input.cgroup.directory,
      terminal: process.terminal === true,
      stdin: input.stdin,
      steps: list.steps,
    },
    sentences: list.sentences,
  }
}
