// An engine that stops while nothing runs takes its own things out of the kernel; with running containers everything stays as it is.
import { readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../base/failure.ts'
import { countsAsRunning } from './container/container-state.ts'
import type { Engine } from './engine.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'

/** Bridge, firewall table and the parent of the control groups. The next start makes them again; like Docker's, the bridge network then has a new id. */
export async function leaveKernel(engine: Engine): Promise<void> {
  engine.netns.close()
  const isAtRest =
    engine.network.endpoints().length === 0 &&
    !engine.containers.list().some((container) => countsAsRunning(container.state))
  if (!isAtRest) return await engine.network.close()
  try {
    await engine.network.destroy()
  } catch (error) {
    engine.log.warn('the bridge network could not be removed', { error: messageOf(error) })
  }
  if (engine.config.cgroupDriver === 'cgroupfs') removeCgroupParent(engine.config.cgroupParent)
}

/** In every hierarchy; one that still holds a group stays. */
function removeCgroupParent(parent: string): void {
  const name = parent.replace(/^\/+/, '')
  if (name === '' || name.split('/').includes('..')) return
  for (const directory of [CGROUP_ROOT, ...hierarchies()]) {
    try {
      rmdirSync(join(directory, name))
    } catch {
      // not there, or in use by somebody
    }
  }
}

function hierarchies(): string[] {
  return readdirSync(CGROUP_ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(CGROUP_ROOT, entry.name))
}
