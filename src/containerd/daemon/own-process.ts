// What the configuration asks of the daemon's own process.
import { mkdirSync, writeFileSync } from 'node:fs'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { openCgroup } from '../../linux/cgroup/open-cgroups.ts'
import type { DaemonSettings } from '../config/settings.ts'

/** Before anything is started: children inherit it. The group stays when the daemon ends, as containerd's does: it may hold shims. */
export async function arrangeOwnProcess(settings: DaemonSettings, log: Log): Promise<void> {
  if (settings.temp !== '') {
    mkdirSync(settings.temp, { recursive: true, mode: 0o711 })
    process.env['TMPDIR'] = settings.temp
  }
  if (settings.oomScore !== 0) {
    try {
      writeFileSync('/proc/self/oom_score_adj', String(settings.oomScore))
    } catch (error) {
      throw new Failure('permission-denied', `set OOM score to ${settings.oomScore}: ${messageOf(error)}`, {
        cause: error,
      })
    }
    log.debug('changing OOM score', { score: settings.oomScore })
  }
  if (settings.cgroupPath !== '') await enterCgroup(settings.cgroupPath)
}

async function enterCgroup(path: string): Promise<void> {
  const group = await openCgroup({ cgroupsPath: path, id: 'containerd', systemd: false, rootless: false })
  await group.create({})
  await group.add(process.pid)
}
