// `events`: what a container uses, every few seconds, and each time that the OOM killer comes.
import { Failure } from '../base/failure.ts'
import { systemClock } from '../base/clock.ts'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { formatStatsEvent } from '../linux/cgroup/stats-event.ts'
import type { Command } from './command.ts'
import { statusOf } from './container-status.ts'
import { print } from './output.ts'
import { type ContainerRecord, loadState } from './state-store.ts'

const INTERVAL_MS = 5000
/** How late the end of the container may be noticed. */
const LOOK_MS = 250

export const events: Command = async ({ settings, options, args }) => {
  const record = loadState(settings.root, args[0] ?? '')
  const intervalMs = options.duration('interval') ?? INTERVAL_MS
  if (intervalMs <= 0) throw new Failure('invalid-argument', 'duration interval must be greater than 0')
  if (statusOf(settings.root, record) === 'stopped')
    throw new Failure('failed-precondition', `container with id ${record.id} is not running`)
  if (record.cgroup === undefined)
    throw new Failure('failed-precondition', 'cannot count what a container without a control group uses')
  const cgroup = reopenCgroup(record.cgroup)
  if (options.flag('stats')) {
    printStats(record, cgroup)
    return 0
  }
  const watch = cgroup.watchOom(() => print(`${JSON.stringify({ type: 'oom', id: record.id })}\n`))
  try {
    const isAlive = () => statusOf(settings.root, record) !== 'stopped'
    for (let next = Date.now() + intervalMs; isAlive(); ) {
      await systemClock.sleep(Math.max(1, Math.min(LOOK_MS, next - Date.now())))
      if (Date.now() < next || !isAlive()) continue
      next += intervalMs
      printStats(record, cgroup)
    }
  } finally {
    watch.close()
  }
  return 0
}

function printStats({ id }: ContainerRecord, cgroup: Cgroup): void {
  print(`${formatStatsEvent({ id, version: cgroup.version, stats: cgroup.stats() }).trimEnd()}\n`)
}
