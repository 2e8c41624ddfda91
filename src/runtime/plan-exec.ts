// A further process in a running container: it joins what the first one has, and goes through the same loss of privileges.
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import { O_DIRECTORY, O_PATH } from '../linux/constants.ts'
import { checkSupportedProcess } from './check-supported.ts'
import { consoleSocketSlot, planHostOpenings } from './plan-launch.ts'
import { isOwn, NAMESPACE_FLAG } from './plan-namespaces.ts'
import { planCredentials, planOomScore, planProcessEnd } from './plan-process.ts'
import type { PlanExec } from './plan-types.ts'
import { KEEP_GROUP, SLOT, StepList } from './step-list.ts'

export const planExec: PlanExec = (input) => {
  const { spec, process, cgroup } = input
  checkSupportedProcess(process)
  const list = new StepList()
  planHostOpenings(list, input.launch, process.terminal === true)
  for (const step of cgroup.steps) list.add('enter the control group', step)
  const oomScoreAdj = process.oomScoreAdj ?? spec.process?.oomScoreAdj
  planOomScore(list, oomScoreAdj === undefined ? process : { ...process, oomScoreAdj })
  list.add('start a session', { op: 'setsid' })
  list.add('join the namespaces', { op: 'setns-init', kinds: joinedKinds(spec) })
  if (process.terminal === true) planTerminal(list, input)
  planCredentials(list, input, process)
  planProcessEnd(list, input, process)
  return {
    plan: {
      cloneFlags: 0,
      joinInitPidNamespace: isOwn(spec, 'pid'),
      cgroupDirectory: cgroup.directory,
      terminal: process.terminal === true,
      stdin: input.stdin,
      steps: list.steps,
    },
    sentences: list.sentences,
  }
}

/** All of the container's, by its first process; the PID namespace is a matter of birth. */
function joinedKinds(spec: RuntimeSpec): number {
  return (spec.linux?.namespaces ?? [])
    .filter(({ type }) => type !== 'pid')
    .reduce((kinds, { type }) => kinds | NAMESPACE_FLAG[type], 0)
}

function planTerminal(list: StepList, { process, launch }: Parameters<PlanExec>[0]): void {
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
