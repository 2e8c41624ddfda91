// A further process in a running container: it joins what the first one has, and goes through the same loss of privileges.
import { CLONE_NEWPID, O_DIRECTORY, O_PATH, PR_SET_DUMPABLE } from '../linux/constants.ts'
import { Failure } from '../base/failure.ts'
import { ROOTFS_SLOT } from '../linux/steps.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { checkProcess } from './check-spec.ts'
import { planKeyring } from './plan-container.ts'
import { needsLabels, planLabels, planPrivateProcfs } from './plan-labels.ts'
import { consoleSocketSlot, planHostOpenings } from './plan-launch.ts'
import { hasUserNamespace, isNew, isOwn, NAMESPACE_FLAG, planBecomeRoot, planGiveStreams } from './plan-namespaces.ts'
import { planCredentials, planOomScore, planProcessEnd } from './plan-process.ts'
import { planFinalAffinity, planInitialAffinity, planIoPriority, planScheduler } from './plan-scheduling.ts'
import type { PlanExec } from './plan-types.ts'
import { KEEP_GROUP, SLOT, StepList } from './step-list.ts'

type Input = Parameters<PlanExec>[0]

export const planExec: PlanExec = (input) => {
  const { spec, cgroup, launch } = input
  const process = withContainersDefaults(input.process, spec)
  checkProcess(input, process)
  const list = new StepList()
  planHostOpenings(list, launch, process.terminal === true)
  planInitialAffinity(list, process.execCPUAffinity)
  for (const step of cgroup.steps) list.add('enter the control group', step)
  planFinalAffinity(list, process.execCPUAffinity, launch !== undefined)
  planOwnOomScore(list, process, launch?.rootless === true)
  const hasOwnRoot = isNew(spec, 'mount')
  if (!hasOwnRoot) planFindRoot(list, input.initPid)
  if (hasUserNamespace(spec)) planGiveStreams(list, spec, launch)
  planJoins(list, input)
  if (!hasOwnRoot) list.add("change to the container's root", { op: 'chroot', root: ROOTFS_SLOT })
  planKeyring(list, process, launch?.noNewKeyring === true ? undefined : input.id)
  if (needsLabels(process)) planPrivateProcfs(list)
  if (process.terminal === true) planTerminal(list, input, process)
  planLabels(list, process)
  planScheduler(list, process.scheduler, Boolean(spec.linux?.resources?.cpu?.cpus))
  planIoPriority(list, process.ioPriority)
  planCredentials(list, input, process)
  planProcessEnd(list, input, process)
  return {
    plan: {
      cloneFlags: 0,
      joinInitPidNamespace: isOwn(spec, 'pid') && launch?.rootless !== true,
      cgroupDirectory: cgroup.directory,
      terminal: process.terminal === true,
      stdin: input.stdin,
      steps: list.steps,
    },
    sentences: list.sentences,
    warnings: list.warnings,
  }
}

/** What the process does not say of itself is as with the container's first one. */
function withContainersDefaults(process: ProcessSpec, { process: first }: RuntimeSpec): ProcessSpec {
  if (first === undefined) return process
  const { capabilities, rlimits, apparmorProfile, selinuxLabel, oomScoreAdj, scheduler, ioPriority, execCPUAffinity } =
    first
  const defaults = {
    capabilities,
    rlimits,
    apparmorProfile,
    selinuxLabel,
    oomScoreAdj,
    scheduler,
    ioPriority,
    execCPUAffinity,
  }
  const given = Object.entries(defaults).filter(([, value]) => value !== undefined)
  const { umask } = first.user ?? {}
  const user = process.user ?? { uid: 0, gid: 0 }
  return { ...Object.fromEntries(given), ...process, user: { ...(umask === undefined ? {} : { umask }), ...user } }
}

/** An ordinary user may write it only while the process is open to him, which it must not be once it is in the container. */
function planOwnOomScore(list: StepList, process: ProcessSpec, isRootless: boolean): void {
  const isNeeded = isRootless && process.oomScoreAdj !== undefined
  const set = (sentence: string, arg2: bigint) => list.add(sentence, { op: 'prctl', option: PR_SET_DUMPABLE, arg2 })
  if (isNeeded) set('open the process to its owner', 1n)
  planOomScore(list, process)
  if (isNeeded) set('close the process to others again', 0n)
}

/** Joining a mount namespace that is not the container's alone leads to the root of that, and none at all to the host's. */
function planFindRoot(list: StepList, initPid: number | undefined): void {
  if (initPid === undefined)
    throw new Failure(
      'failed-precondition',
      'exec: the container has no mount namespace of its own, and its process is unknown',
    )
  const flags = O_PATH | O_DIRECTORY
  list.add("open the container's root", { op: 'open-host', slot: ROOTFS_SLOT, path: `/proc/${initPid}/root`, flags })
}

/** All of the container's, by its first process. The PID namespace is a matter of birth; whose spawner may not see to that is born again. */
function planJoins(list: StepList, { spec, host, launch }: Input): void {
  const isRootless = launch?.rootless === true
  const kinds = (spec.linux?.namespaces ?? [])
    .filter(({ type }) => type !== 'pid' || isRootless)
    .reduce((all, { type }) => all | NAMESPACE_FLAG[type], 0)
  const startSession = () => list.add('start a session', { op: 'setsid' })
  if (!isRootless) startSession()
  if (kinds !== 0) list.add('join the namespaces', { op: 'setns-init', kinds })
  if (isRootless && kinds & CLONE_NEWPID) list.add('be born in the PID namespace', { op: 'clone', flags: 0 })
  if (isRootless) startSession()
  if (hasUserNamespace(spec)) planBecomeRoot(list, host, isRootless)
}

function planTerminal(list: StepList, { launch }: Input, process: ProcessSpec): void {
  const socket = consoleSocketSlot(launch)
  list.add('open /dev/pts', {
    op: 'open-in-root',
    slot: SLOT.devpts,
    path: '/dev/pts',
    flags: O_PATH | O_DIRECTORY,
  })
  list.add('open a pseudoterminal', {
    op: 'pty',
    devpts: SLOT.devpts,
    rows: process.consoleSize?.height ?? 0,
    columns: process.consoleSize?.width ?? 0,
    uid: process.user?.uid ?? 0,
    gid: KEEP_GROUP,
    ...(socket === undefined ? {} : { socket }),
  })
}
