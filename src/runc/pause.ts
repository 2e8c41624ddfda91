// `pause` and `resume`: the freezer.
import { Failure } from '../base/failure.ts'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import type { Command } from './command.ts'
import { type Status, statusOf } from './container-status.ts'
import { loadState, requireLock } from './state-store.ts'

export const pause: Command = async ({ settings, args }) => {
  await change(settings.root, args[0] ?? '', async (status, cgroup) => {
    if (status !== 'running' && status !== 'created') throw new Failure('failed-precondition', 'container not running')
    await cgroup.freeze()
  })
  return 0
}

export const resume: Command = async ({ settings, args }) => {
  await change(settings.root, args[0] ?? '', async (status, cgroup) => {
    if (status !== 'paused') throw new Failure('failed-precondition', 'container not paused')
    await cgroup.thaw()
  })
  return 0
}

async function change(
  root: string,
  id: string,
  work: (status: Status, cgroup: Cgroup) => Promise<void>,
): Promise<void> {
  loadState(root, id)
  using _lock = await requireLock(root, id)
  const record = loadState(root, id)
  if (record.cgroup === undefined)
    throw new Failure('failed-precondition', 'cannot pause a container without a control group')
  await work(statusOf(root, record), reopenCgroup(record.cgroup))
}
