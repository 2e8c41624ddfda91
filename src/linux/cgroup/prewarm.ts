// A move of a process into a v1 group takes a kernel-wide lock that is made for being read. After a pause the first writer waits
// for an RCU grace period, 5 to 15 ms; the lock then stays ready for writers for the time of another one, some 20 ms.
// Measured (2 cores, kernel 6.18): nine hierarchies 10 ms cold, 0.2 ms in a ready state.
import { closeSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Hierarchies } from './parse-hierarchies.ts'

const READY_MS = 100
/** Well below a grace period. */
const REPEAT_MS = 8

/** @returns a function that makes the lock ready and keeps it so for a while; calling it again extends the while. */
export function openPrewarm({ v1 }: Hierarchies): () => void {
  const file = ownGroupFile(v1)
  if (file === undefined) return () => {}
  let readyUntil = 0
  let isRunning = false
  return () => {
    readyUntil = performance.now() + READY_MS
    if (isRunning) return
    isRunning = true
    keepReady(file, () => performance.now() < readyUntil)
      .catch(() => {}) // then the next start pays, and nothing else happens
      .finally(() => {
        isRunning = false
      })
  }
}

/** Moving this process to the group that it is in changes nothing, but takes the lock. It sleeps in the kernel, so on a thread of the pool. */
async function keepReady(path: string, isWanted: () => boolean): Promise<void> {
  await using file = await open(path, 'w')
  while (isWanted()) {
    await file.write(String(process.pid), 0)
    await delay(REPEAT_MS, undefined, { ref: false })
  }
}

/** The cgroup.procs of this process's group in any hierarchy; undefined where none is ours to write. */
function ownGroupFile(v1: Hierarchies['v1']): string | undefined {
  const own = new Map<string, string>()
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').split('\n')) {
    const [, names, ...path] = line.split(':')
    if (names) own.set(names, path.join(':'))
  }
  for (const { name, controllers, mountpoint } of v1) {
    const path = own.get(controllers.length > 0 ? controllers.join(',') : `name=${name}`)
    if (path === undefined) continue
    const file = join(mountpoint, path, 'cgroup.procs')
    try {
      closeSync(openSync(file, 'w'))
      return file
    } catch {} // not visible from here, or not ours: another one may do
  }
  return undefined
}
