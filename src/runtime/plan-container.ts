// From an OCI configuration to the list of kernel steps that make the container's first process. A pure function.
import { posix } from 'node:path'
import { PR_SET_DUMPABLE } from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import { ROOTFS_SLOT } from '../linux/steps.ts'
import type { ProcessSpec } from '../oci/runtime-spec.ts'
import { checkSpec } from './check-spec.ts'
import { planEarlySources } from './plan-bind-mounts.ts'
import { planDevices, planDevpts } from './plan-devices.ts'
import { planCreateHooks, planStartHooks } from './plan-hooks.ts'
import { needsLabels, planKeyLabel, planLabels, planPrivateProcfs } from './plan-labels.ts'
import { consoleSocketSlot, planHostOpenings } from './plan-launch.ts'
import { finishMounts, planMounts } from './plan-mounts.ts'
import { birthFlags, hasUserNamespace, pidNamespacePath, planNamespaces, planUserNamespace } from './plan-namespaces.ts'
import { planMaskedPaths, planReadonlyPaths } from './plan-paths.ts'
import { planCredentials, planOomScore, planProcessEnd } from './plan-process.ts'
import { planEnterRoot, planRootfs, planRootfsOnHost } from './plan-rootfs.ts'
import { planFinalAffinity, planIoPriority, planScheduler } from './plan-scheduling.ts'
import { hasSysctls, planSysctls } from './plan-sysctls.ts'
import type { DescribedPlan, PlanContainer } from './plan-types.ts'
import { KEEP_GROUP, SLOT, StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

/**
 * The order is the kernel's: groups and namespaces first, mounts while the host is still in sight, pivot, and then privileges
 * go one by one. Until `exec` nothing of the image has run, and nothing in it was reached by a path string.
 */
export const planContainer: PlanContainer = (input) => {
  const { spec, cgroup, launch } = input
  const process = checkSpec(input)
  const list = new StepList()
  planHostOpenings(list, launch, process.terminal === true)
  // An ordinary user can write the maps of his own process only while it is open to him.
  if (launch?.rootless === true)
    list.add('open the process to its owner', { op: 'prctl', option: PR_SET_DUMPABLE, arg2: 1n })
  for (const step of cgroup.steps) list.add('enter the control group', step)
  if (launch !== undefined) planFinalAffinity(list, undefined, true)
  planOomScore(list, process)
  const early = planEarlySources(list, input)
  planStage(list, input)
  list.add('start a session', { op: 'setsid' })
  planKeyring(list, process, launch?.noNewKeyring === true ? undefined : input.id)

  planRootfs(list, input, isPrepared(input))
  const unfinished = planMounts(list, input, early)
  planDevices(list, input)
  planKernelFiles(list, input, process)
  planMaskedPaths(list, spec.linux?.maskedPaths ?? [])
  planReadonlyPaths(list, spec.linux?.readonlyPaths ?? [])
  planDirectory(list, process.cwd)
  planDevpts(list, input)
  finishMounts(list, unfinished)
  planCreateHooks(list, spec)
  planEnterRoot(list, input)
  planNames(list, input)
  planTerminal(list, input, process)
  planNull(list, process)

  planLabels(list, process)
  planScheduler(list, process.scheduler, Boolean(spec.linux?.resources?.cpu?.cpus))
  planIoPriority(list, process.ioPriority)
  planCredentials(list, input, process)
  planProcessEnd(list, input, process, (env) => planStartHooks(list, spec, env))
  return describe(list, input, process)
}

function planStage(list: StepList, input: Input): void {
  if (!hasUserNamespace(input.spec)) return planNamespaces(list, input)
  if (isPrepared(input)) planRootfsOnHost(list, input)
  planUserNamespace(list, input)
}

/** With a user namespace the host's root opens what the namespace's root may not. */
function isPrepared({ spec, launch }: Input): boolean {
  return hasUserNamespace(spec) && launch?.rootless !== true
}

/** @param id absent: the process keeps the keyring that it came with. */
export function planKeyring(list: StepList, process: ProcessSpec, id: string | undefined): void {
  if (id === undefined) return
  planKeyLabel(list, process)
  list.add('join a session keyring', {
    op: 'session-keyring',
    name: `_ses.${id}`,
    skipOn: { errnos: [ERRNO.ENOSYS], skip: 0 }, // built without keys
  })
}

function planKernelFiles(list: StepList, input: Input, process: ProcessSpec): void {
  if (!hasSysctls(input.spec) && !needsLabels(process)) return
  planPrivateProcfs(list)
  planSysctls(list, input)
  if (!needsLabels(process)) list.add('close the private procfs', { op: 'close', slot: SLOT.proc })
}

/** Docker's rule: a working directory that the image lacks is made. */
function planDirectory(list: StepList, cwd: string): void {
  const path = posix.normalize(cwd)
  if (path === '/') return
  const [slot, root] = [SLOT.target, ROOTFS_SLOT]
  list.add(`mkdir ${cwd}`, { op: 'make-path', slot, root, path, kind: 'directory', mode: 0o755 })
}

function planNames(list: StepList, { spec: { hostname, domainname } }: Input): void {
  if (hostname) list.add('sethostname', { op: 'sethostname', name: hostname })
  if (domainname) list.add('setdomainname', { op: 'setdomainname', name: domainname })
}

function planTerminal(list: StepList, { spec, launch }: Input, process: ProcessSpec): void {
  if (process.terminal !== true) return
  const socket = consoleSocketSlot(launch)
  const hasConsole = list.steps.some((step) => 'slot' in step && step.slot === SLOT.console)
  list.add('open a pseudoterminal', {
    op: 'pty',
    devpts: SLOT.devpts,
    ...(hasConsole ? { console: SLOT.console } : {}),
    rows: process.consoleSize?.height ?? 0,
    columns: process.consoleSize?.width ?? 0,
    uid: spec.process?.user?.uid ?? 0,
    gid: KEEP_GROUP,
    ...(socket === undefined ? {} : { socket }),
  })
}

/** A descriptor of a mount that is the host's is a way to the host, and nothing that criu could put into a checkpoint. */
function planNull(list: StepList, process: ProcessSpec): void {
  if (process.terminal === true) return
  list.add("let standard streams be the container's own /dev/null", {
    op: 'reopen-null',
    // It has none that is one (ENODEV), or none that can be opened: a user namespace's on a file system of the host's.
    skipOn: { errnos: [ERRNO.ENODEV, ERRNO.EACCES, ERRNO.EPERM, ERRNO.ENXIO], skip: 0 },
  })
}

function describe(list: StepList, { spec, cgroup, stdin }: Input, process: ProcessSpec): DescribedPlan {
  const joinedPid = pidNamespacePath(spec)
  return {
    plan: {
      cloneFlags: birthFlags(spec),
      joinInitPidNamespace: false,
      ...(joinedPid === undefined ? {} : { pidNamespacePath: joinedPid }),
      cgroupDirectory: cgroup.directory,
      terminal: process.terminal === true,
      stdin,
      steps: list.steps,
    },
    sentences: list.sentences,
    warnings: list.warnings,
  }
}
