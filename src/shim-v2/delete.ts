// The action `delete`: what a shim that is gone has left is taken away, whatever state it was in.
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readTextIfExists } from '../base/atomic-file.ts'
import { messageOf } from '../base/failure.ts'
import { OWN_DIRECTORY } from '../containerd/tasks/create-task.ts'
import { readTaskRecord } from '../containerd/tasks/task-record.ts'
import { openCgroups } from '../linux/cgroup/open-cgroups.ts'
import type { Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { connectShim } from '../shim/connect-shim.ts'
import type { ShimFlags } from './flags.ts'
import { DeleteResponse, timestampOf } from './messages.ts'
import { canConnect } from './socket.ts'
import { INIT_PID_FILE } from './task-service.ts'

const MNT_DETACH = 2
const KILLED = 128 + 9

/** @returns DeleteResponse for standard output; what could not be cleaned is told on standard error and does not stop the rest. */
export async function deleteShim(kernel: Kernel, flags: ShimFlags): Promise<Uint8Array> {
  const bundle = join(dirname(process.cwd()), flags.id)
  const own = join(bundle, OWN_DIRECTORY)
  await attempt('end the processes', async () => {
    const shim = await connectShim(own)
    await shim?.shutdown()
  })
  await attempt('remove the control group', async () => {
    const record = readTaskRecord(own)
    if (record === undefined) return
    const cgroup = openCgroups(kernel).open(record.cgroupPath)
    cgroup.killAll()
    await cgroup.remove()
  })
  await attempt('unmount the root file system', () => unmountAll(kernel, join(bundle, 'rootfs')))
  await attempt('remove the socket', async () => {
    const address = readTextIfExists(join(bundle, 'address')) ?? ''
    const path = address.replace(/^unix:\/\//, '')
    if (path !== '' && existsSync(path) && !(await canConnect(path))) rmSync(path, { force: true })
  })
  const pid = Number(readTextIfExists(join(bundle, INIT_PID_FILE)) ?? 0)
  rmSync(own, { recursive: true, force: true })
  return DeleteResponse.encode({
    pid,
    exitStatus: KILLED,
    exitedAt: timestampOf(BigInt(Date.now()) * 1_000_000n),
  })
}

async function attempt(what: string, work: () => Promise<void> | void): Promise<void> {
  try {
    await work()
  } catch (error) {
    process.stderr.write(`failed to ${what}: ${messageOf(error)}\n`)
  }
}

/** One mount may lie on another. */
export function unmountAll(kernel: Pick<Kernel, 'umount'>, path: string): void {
  for (;;)
    try {
      kernel.umount(path, MNT_DETACH)
    } catch (error) {
      if (hasErrno(error, 'EINVAL', 'ENOENT')) return // nothing is mounted there any more
      throw error
    }
}
