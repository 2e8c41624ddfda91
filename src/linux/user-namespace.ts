// User namespaces with given maps and nobody in them, for mounts that show other owners than the disk does (mount_setattr(2), MOUNT_ATTR_IDMAP).
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { Failure, messageOf } from '../base/failure.ts'
import { AT_EMPTY_PATH, AT_RECURSIVE, MOUNT_ATTR_IDMAP } from './constants.ts'
import type { Fd, Kernel } from './kernel.ts'

const PATIENCE_MS = 5000

/**
 * `0:100000:65536,…`: container id, host id, size. A namespace can't be made without a process: a cat(1) that waits for our end of a pipe, so
 * that it ends with us whatever happens, holds it until the descriptor is there. The caller closes the descriptor.
 */
export function openUserNamespace(uidMap: string, gidMap: string): Fd {
  const child = spawn('unshare', ['--user', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] })
  child.on('error', () => {}) // told below: there is no pid
  const { pid } = child
  if (pid === undefined) throw new Failure('unavailable', 'unshare: no such program')
  try {
    const path = `/proc/${pid}/ns/user`
    const own = readlinkSync('/proc/self/ns/user')
    const deadline = performance.now() + PATIENCE_MS
    const pause = new Int32Array(new SharedArrayBuffer(4))
    while (readlinkSync(path) === own) {
      if (performance.now() > deadline) throw new Error('it did not enter its namespace')
      Atomics.wait(pause, 0, 0, 1)
    }
    writeFileSync(`/proc/${pid}/uid_map`, linesOf(uidMap), { flag: 'r+' })
    writeFileSync(`/proc/${pid}/gid_map`, linesOf(gidMap), { flag: 'r+' })
    return openSync(path, 'r')
  } catch (error) {
    throw new Failure('invalid-argument', `user namespace ${uidMap} ${gidMap}: ${messageOf(error)}`, { cause: error })
  } finally {
    child.kill('SIGKILL')
  }
}

/** Making one takes a process and milliseconds, and a host has few maps. */
const KEPT_MAX = 8
const kept = new Map<string, Fd>()

/** As `openUserNamespace`, kept for the next who asks: the descriptor is not the caller's to close, and good until it returns to the event loop if others ask for many maps. */
export function sharedUserNamespace(uidMap: string, gidMap: string): Fd {
  const key = `${uidMap} ${gidMap}`
  const known = kept.get(key)
  if (known !== undefined) return known
  const opened = openUserNamespace(uidMap, gidMap)
  const [oldest] = kept
  if (kept.size >= KEPT_MAX && oldest !== undefined) {
    closeSync(oldest[1])
    kept.delete(oldest[0])
  }
  kept.set(key, opened)
  return opened
}

/** From here on the mount shows the owners that the namespace's maps give. `tree` is a detached mount that nobody uses yet. */
export function mapIdsOf(kernel: Kernel, tree: Fd, userNamespace: Fd): void {
  const set = BigInt(MOUNT_ATTR_IDMAP)
  kernel.mountSetattr(tree, '', AT_EMPTY_PATH | AT_RECURSIVE, { set, clear: 0n, propagation: 0n, userNamespace })
}

/** An overlay takes layers from a mount that is in nobody's table since Linux 6.15. */
export function canMapOverlays(): boolean {
  const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number.parseFloat)
  return major > 6 || (major === 6 && minor >= 15)
}

function linesOf(map: string): string {
  return map
    .split(',')
    .map((mapping) => `${mapping.split(':').join(' ')}\n`)
    .join('')
}
