// The action `delete`: what a shim that is gone has left is taken away, whatever state it was in.
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readTextIfExists } from '../base/atomic-file.ts'
import { messageOf } from '../base/failure.ts'
import { OWN_DIRECTORY } from '../containerd/tasks/create-task.ts'
import { commandsFor, OWN_PROGRAM } from '../containerd/tasks/find-runtime.ts'
import { unmountAll } from '../containerd/tasks/open-rootfs.ts'
import { readTaskRecord } from '../containerd/tasks/task-record.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import type { Kernel } from '../linux/kernel.ts'
import { connectShim } from '../shim/connect-shim.ts'
import type { ShimFlags } from './flags.ts'
import { RUNTIME_ROOT } from './runtime-options.ts'
import { DeleteResponse, timestampOf } from '../wire/shim-v2/messages.ts'
import { findProgram } from './serve.ts'
import { canConnect } from './socket.ts'
import { INIT_PID_FILE } from './task-service.ts'

const KILLED = 128 + 9

/** @returns DeleteResponse for standard output; what could not be cleaned is told on standard error and does not stop the rest. */
export async function deleteShim(kernel: Kernel, flags: ShimFlags): Promise<Uint8Array> {
  const bundle = join(dirname(process.cwd()), flags.id)
  const own = join(bundle, OWN_DIRECTORY)
  const record = readTaskRecord(own)
  await attempt('end the processes', async () => {
    const shim = await connectShim(own)
    await shim?.shutdown()
  })
  await attempt('remove the control group', async () => {
    if (record === undefined) return
    const cgroup = reopenCgroup(record.cgroup, kernel)
    cgroup.killAll()
    await cgroup.remove()
  })
  await attempt('remove the runtime container', async () => {
    if (record === undefined) return
    const place = { namespace: flags.namespace, id: flags.id, bundle: own, ociBundle: bundle }
    const commands = commandsFor(
      { runtimeRoot: RUNTIME_ROOT, ownProgram: findProgram(OWN_PROGRAM) },
      record.runtime,
      place,
    )
    await commands?.run('delete', 'delete', { flags: ['--force'] })
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
