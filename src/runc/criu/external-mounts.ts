// Where the mounts of a container are, without symbolic links, and what is at their other side.
import { closeSync, readlinkSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Cgroup } from '../../linux/cgroup/cgroup.ts'
import { O_DIRECTORY, O_PATH } from '../../linux/constants.ts'
import { AT_FDCWD, type Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { openInRoot } from '../../linux/read-file-in-root.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { containerPath, isBindMount } from '../../runtime/container-path.ts'
import { DEFAULT_DEVICES } from '../../runtime/plan-devices.ts'
import { bindsCgroups, type ExternalMount } from './requests.ts'

/** Bind mounts, control groups that are bound one by one, devices: those are bound where a node cannot be made. */
export function findExternalMounts(spec: RuntimeSpec, rootfs: string, cgroup: Cgroup | undefined): ExternalMount[] {
  const kernel = openNativeKernel()
  const root = kernel.openat2(AT_FDCWD, rootfs, { flags: O_PATH | O_DIRECTORY })
  try {
    const place = (destination: string) => settlePath(kernel, root, containerPath(destination, rootfs))
    const mounts = (spec.mounts ?? []).flatMap((mount) => {
      if (isBindMount(mount)) return [{ destination: place(mount.destination), source: mount.source ?? '' }]
      return mount.type === 'cgroup' ? cgroupBinds(spec, place(mount.destination), cgroup) : []
    })
    const devices = [...DEFAULT_DEVICES, ...(spec.linux?.devices ?? [])].map(({ path }) => path)
    const nodes = [...new Set(devices)].map((path) => ({ destination: place(path), source: path }))
    return [...mounts, ...nodes]
  } finally {
    closeSync(root)
  }
}

/** Below its tmpfs each hierarchy is one mount, named as the host's is. */
function cgroupBinds(spec: RuntimeSpec, destination: string, cgroup: Cgroup | undefined): ExternalMount[] {
  if (cgroup === undefined || !bindsCgroups(spec, cgroup.version)) return []
  return cgroup
    .entry()
    .hierarchies.map(({ name, directory }) => ({ destination: join(destination, name), source: directory }))
}

/** Follows the links of what is there as the container itself would; what is not there keeps its name. */
function settlePath(kernel: Kernel, root: number, path: string): string {
  const found = openInRoot(kernel, root, path, O_PATH)
  if (found === undefined) return path === '/' ? path : join(settlePath(kernel, root, dirname(path)), basename(path))
  try {
    const [real = '', top = ''] = [found, root].map((fd) => readlinkSync(`/proc/self/fd/${fd}`))
    // A root of another mount namespace is `/`, and what is in it has paths from there.
    if (top === '/') return real
    return real.startsWith(top) ? real.slice(top.length) || '/' : path
  } finally {
    closeSync(found)
  }
}

/** Masked paths that are files in the container; others are directories, or not there. */
export function findMaskedFiles(spec: RuntimeSpec, pid: number): string[] {
  return (spec.linux?.maskedPaths ?? []).filter((path) => {
    try {
      return !statSync(`/proc/${pid}/root/${path}`).isDirectory()
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false
      throw error
    }
  })
}
