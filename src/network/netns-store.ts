// Network namespaces as files: made on the main thread, kept by a bind mount, joined by any runtime, still there after a restart.
import { closeSync, mkdirSync, openSync, rmSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { MNT_DETACH, MS_BIND, UMOUNT_NOFOLLOW } from '../linux/constants.ts'
import type { Fd, Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../linux/netlink/netlink-socket.ts'
import { setLinkUp } from '../linux/netlink/route-messages.ts'
import { inNetns, inNewNetns, OWN_NETNS } from './in-netns.ts'
import type { NetnsStore } from './network.ts'
import { SpareNetns } from './spare-netns.ts'
import { writeSysctl, writeSysctls } from './sysctl.ts'

const NSFS_MAGIC = 0x6e736673
const LOOPBACK_INDEX = 1

export function openNetnsStore(kernel: Kernel): NetnsStore {
  const spares = new SpareNetns(() =>
    inNewNetns(kernel, () => {
      configure(kernel, {})
      return openSync(OWN_NETNS, 'r')
    }),
  )
  return {
    async create(path, sysctls = {}) {
      if (isNetnsFile(path)) return configureExisting(kernel, path, sysctls)
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      closeSync(openSync(path, 'w', 0o600))
      const spare = spares.take()
      try {
        if (spare === undefined) makeAt(kernel, path, sysctls)
        else keepAt(kernel, path, sysctls, spare)
      } catch (error) {
        rmSync(path, { force: true })
        throw error
      } finally {
        if (spare !== undefined) closeSync(spare)
      }
    },

    async adopt(path, source) {
      removeAt(kernel, path) // another's, of a run that could not be cleared away
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      closeSync(openSync(path, 'w', 0o600))
      const netns = openSync(source, 'r')
      try {
        inNetns(kernel, netns, () => configure(kernel, {}))
        kernel.mount(`/proc/thread-self/fd/${netns}`, path, undefined, MS_BIND)
      } catch (error) {
        rmSync(path, { force: true })
        throw error
      } finally {
        closeSync(netns)
      }
    },

    async remove(path) {
      removeAt(kernel, path)
    },

    close: () => spares.close(),
  }
}

function removeAt(kernel: Kernel, path: string): void {
  for (;;) {
    try {
      kernel.umount(path, MNT_DETACH | UMOUNT_NOFOLLOW)
    } catch (error) {
      if (hasErrno(error, 'EINVAL', 'ENOENT')) break // not a mount point (any more), or no file
      throw error
    }
  }
  rmSync(path, { force: true })
}

/** The mount is the last step: a namespace that has a file is complete. */
function makeAt(kernel: Kernel, path: string, sysctls: Readonly<Record<string, string>>): void {
  inNewNetns(kernel, () => {
    configure(kernel, sysctls)
    kernel.mount(OWN_NETNS, path, undefined, MS_BIND)
  })
}

function keepAt(kernel: Kernel, path: string, sysctls: Readonly<Record<string, string>>, netns: Fd): void {
  if (Object.keys(sysctls).length > 0) inNetns(kernel, netns, () => writeSysctls(sysctls))
  kernel.mount(`/proc/thread-self/fd/${netns}`, path, undefined, MS_BIND)
}

function configure(kernel: Kernel, sysctls: Readonly<Record<string, string>>): void {
  using socket = NetlinkSocket.open(kernel, NETLINK_ROUTE)
  socket.perform(setLinkUp(LOOPBACK_INDEX))
  // Interfaces that come later have no IPv6 unless their network has: an address nobody filters would be a way around the firewall.
  writeSysctl('net.ipv6.conf.default.disable_ipv6', '1', { isOptional: true })
  // An interface tells its neighbours of itself as it comes up: they may remember another one with its address.
  writeSysctl('net.ipv4.conf.default.arp_notify', '1')
  writeSysctls(sysctls)
}

function configureExisting(kernel: Kernel, path: string, sysctls: Readonly<Record<string, string>>): void {
  const netns = openSync(path, 'r')
  try {
    inNetns(kernel, netns, () => configure(kernel, sysctls))
  } finally {
    closeSync(netns)
  }
}

function isNetnsFile(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false
    throw error
  }
}
