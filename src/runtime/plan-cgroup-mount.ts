// A mount of type cgroup: the container sees its own groups, and with v1 nothing of the others.
import { MOUNT_ATTR_RDONLY } from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import type { MountOptions } from '../linux/mount/parse-mount-options.ts'
import { ROOTFS_SLOT } from '../linux/steps.ts'
import type { MountSpec } from '../oci/runtime-spec.ts'
import { title } from './plan-mounts.ts'
import { isNew, isOwn } from './plan-namespaces.ts'
import type { PlanContainer } from './plan-types.ts'
import { SLOT, type StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

interface CgroupMount {
  mount: MountSpec
  options: MountOptions
  destination: string
}

export function planCgroupMount(list: StepList, input: Input, request: CgroupMount): void {
  const { mount, destination } = request
  list.add(`${title(mount)}: make mount point`, {
    op: 'make-path',
    slot: SLOT.target,
    root: ROOTFS_SLOT,
    path: destination,
    kind: 'directory',
    mode: 0o755,
  })
  if (input.host.cgroupVersion === 2) planUnified(list, input, request)
  else planHierarchies(list, input, request)
}

/**
 * In a cgroup namespace the root of a fresh cgroup2 mount is the container's own group. In a user namespace the kernel gives one only to
 * whoever has such a namespace of his own; others get a clone: of their group where the namespace is somebody's, else of all, which is what
 * their /proc/self/cgroup speaks of.
 */
function planUnified(list: StepList, { spec, cgroup }: Input, { mount, options }: CgroupMount): void {
  const attributes = options.own.set | options.recursive.set
  const hasFallback = isOwn(spec, 'user') && !isNew(spec, 'cgroup')
  const path = (isOwn(spec, 'cgroup') ? cgroup.directory : undefined) ?? '/sys/fs/cgroup'
  const slot = SLOT.source
  if (hasFallback) list.add(`${title(mount)}: open_tree`, { op: 'open-tree', slot, path, recursive: false })
  list.add(`${title(mount)}: fsmount`, {
    op: 'fs-mount',
    slot,
    fstype: 'cgroup2',
    source: mount.source ?? 'cgroup',
    options: [],
    attributes,
    ...(hasFallback ? { skipOn: { errnos: [ERRNO.EPERM, ERRNO.EBUSY], skip: 0 } } : {}),
  })
  if (hasFallback)
    list.add(`${title(mount)}: mount_setattr`, {
      op: 'mount-setattr',
      slot,
      set: BigInt(attributes),
      clear: 0n,
      propagation: 0n,
      recursive: false,
    })
  list.add(`${title(mount)}: move_mount`, { op: 'move-mount', from: slot, to: SLOT.target })
}

/** A small tmpfs with a bind of the container's group for each hierarchy; read-only last, and all at once. */
function planHierarchies(list: StepList, { cgroup }: Input, { mount, options }: CgroupMount): void {
  const attributes = options.own.set | options.recursive.set
  list.add(`${title(mount)}: fsmount`, {
    op: 'fs-mount',
    slot: SLOT.parent,
    fstype: 'tmpfs',
    source: 'tmpfs',
    options: [['mode', '755']],
    attributes: attributes & ~MOUNT_ATTR_RDONLY,
  })
  list.add(`${title(mount)}: move_mount`, { op: 'move-mount', from: SLOT.parent, to: SLOT.target })
  for (const { name, directory } of cgroup.hierarchies ?? []) {
    const at = `${title(mount)}: ${name}`
    list.add(`${at}: make mount point`, {
      op: 'make-path',
      slot: SLOT.target,
      root: SLOT.parent,
      path: name,
      kind: 'directory',
      mode: 0o755,
    })
    list.add(`${at}: open_tree`, { op: 'open-tree', slot: SLOT.source, path: directory, recursive: false })
    list.add(`${at}: move_mount`, { op: 'move-mount', from: SLOT.source, to: SLOT.target })
    for (const alias of name.includes(',') ? name.split(',') : [])
      list.add(`${at}: symlink ${alias}`, { op: 'symlink', dir: SLOT.parent, name: alias, target: name })
  }
  list.add(`${title(mount)}: mount_setattr`, {
    op: 'mount-setattr',
    slot: SLOT.parent,
    set: BigInt(attributes),
    clear: 0n,
    propagation: 0n,
    recursive: true,
  })
}
