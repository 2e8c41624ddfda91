// The mounts of a container. Each is made detached and moved onto a descriptor that was opened inside the root file system.
import { MOUNT_ATTR_RDONLY, MS_PRIVATE, O_DIRECTORY, O_NOFOLLOW, O_PATH } from '../linux/constants.ts'
import { type MountOptions, parseMountOptions } from '../linux/mount/parse-mount-options.ts'
import { ROOTFS_SLOT, type Slot } from '../linux/steps.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import type { MountSpec } from '../oci/runtime-spec.ts'
import { containerPath, isBindMount } from './container-path.ts'
import {
  type EarlySources,
  mayLackSysfs,
  ownEdit,
  planAttributes,
  planBindSource,
  planPropagation,
  title,
} from './plan-bind-mounts.ts'
import { planCgroupMount } from './plan-cgroup-mount.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

export { title } from './plan-bind-mounts.ts'

type Input = Parameters<PlanContainer>[0]

interface Mounting {
  mount: MountSpec
  options: MountOptions
  destination: string
}

/** Mounts that become read-only last: until then things are made in them. */
export type Unfinished = { mount: MountSpec; slot: Slot }[]

export function planMounts(list: StepList, input: Input, early: EarlySources): Unfinished {
  const unfinished: Unfinished = []
  for (const mount of input.spec.mounts ?? []) {
    const options = parseMountOptions(mount.options ?? [])
    const destination = containerPath(mount.destination, input.rootfsDirectory)
    if (!mount.destination.startsWith('/'))
      list.warn(`mount destination ${mount.destination} is not absolute: it is taken for ${destination}`)
    for (const option of options.obsolete)
      list.warn(`mount option ${option} of ${destination} has no effect: the kernel does not know it any more`)
    const mounting = { mount, options, destination }
    if (!options.isRemount) list.mounted.delete(destination)
    if (options.isRemount) planRemount(list, mounting)
    else if (isBindMount(mount)) planBind(list, input, mounting, early)
    else if (mount.type === 'cgroup' || mount.type === 'cgroup2') planCgroup(list, input, mounting)
    else planFilesystem(list, input, mounting, unfinished)
  }
  return unfinished
}

export function finishMounts(list: StepList, unfinished: Unfinished): void {
  for (const { mount, slot } of unfinished)
    planAttributes(list, mount, slot, { set: MOUNT_ATTR_RDONLY, clear: 0 }, false)
}

function planBind(list: StepList, input: Input, { mount, destination }: Mounting, early: EarlySources): void {
  const slot = planBindSource(list, input, mount, early)
  addTarget(list, mount, destination, input.rootfs.sources?.get(mount.source ?? '') ?? 'directory')
  list.add(`${title(mount)}: move_mount`, { op: 'move-mount', from: slot, to: SLOT.target })
}

function planCgroup(list: StepList, input: Input, mounting: Mounting): void {
  const { mount, options, destination } = mounting
  planCgroupMount(list, input, mounting)
  if (!options.propagation.some(isWorthSaying)) return
  const [slot, root, flags] = [SLOT.target, ROOTFS_SLOT, O_PATH]
  list.add(`${title(mount)}: open`, { op: 'open-in-root', slot, root, path: destination, flags })
  planPropagation(list, mount, slot, options)
}

/** A mount is born private; only another kind needs saying. */
function isWorthSaying({ kind }: { kind: number }): boolean {
  return kind !== MS_PRIVATE
}

/** Covers that show nothing of a device: their `ro` is the mount's own, as others may share the file system. */
const PSEUDO = new Set([
  'proc',
  'sysfs',
  'tmpfs',
  'devpts',
  'mqueue',
  'ramfs',
  'bpf',
  'securityfs',
  'debugfs',
  'tracefs',
])

function planFilesystem(list: StepList, input: Input, mounting: Mounting, unfinished: Unfinished): void {
  const { mount, options, destination } = mounting
  const type = mount.type ?? ''
  const isLate = (type === 'tmpfs' || destination === '/dev') && (options.own.set & MOUNT_ATTR_RDONLY) !== 0
  addTarget(list, mount, destination, 'directory')
  const isDevpts = type === 'devpts' && destination === '/dev/pts'
  const kept = keptSlot(type, destination)
  const slot = kept ?? (isDevpts ? SLOT.devpts : isLate ? list.newSlot('mounts') : SLOT.source)
  const attributes = options.own.set | options.recursive.set
  const hasFallback = type === 'sysfs' && mayLackSysfs(input) && (options.own.set & MOUNT_ATTR_RDONLY) !== 0
  if (hasFallback) list.add(`${title(mount)}: stat /sys`, { op: 'open-tree', slot, path: '/sys', recursive: true })
  list.add(`${title(mount)}: fsmount`, {
    op: 'fs-mount',
    slot,
    fstype: type,
    source: mount.source ?? type,
    options: filesystemOptions(input, mounting),
    attributes: isLate ? attributes & ~MOUNT_ATTR_RDONLY : attributes,
    ...(hasFallback ? { skipOn: { errnos: [ERRNO.EPERM], skip: 0 } } : {}),
  })
  // Shown instead of a sysfs of its own: the host's, with nothing in it to be written to.
  if (hasFallback) planAttributes(list, mount, slot, { set: attributes, clear: 0 }, true)
  if (options.copiesUp && input.rootfs.copiedUp?.has(destination) !== false)
    list.add(`${title(mount)}: tmpcopyup`, { op: 'copy-tree', from: SLOT.target, to: slot })
  list.add(`${title(mount)}: move_mount`, { op: 'move-mount', from: slot, to: SLOT.target })
  if (options.propagation.some(isWorthSaying)) planPropagation(list, mount, slot, options)
  if (isLate) unfinished.push({ mount, slot })
  if (kept !== undefined) list.mounted.set(destination, kept)
}

/** What is hidden in these is looked for in the very mount, whatever its name is by then: who shares the root file system may rename /proc. */
function keptSlot(type: string, destination: string): Slot | undefined {
  if (type === 'proc' && destination === '/proc') return SLOT.procfs
  return type === 'sysfs' && destination === '/sys' ? SLOT.sysfs : undefined
}

function filesystemOptions({ rootfs, spec }: Input, { mount, options, destination }: Mounting): MountOptions['data'] {
  const data = options.data.map(([key, value]) => [key, unquoted(key, value)] as const)
  const readonly = (options.own.set & MOUNT_ATTR_RDONLY) !== 0 && !PSEUDO.has(mount.type ?? '')
  const flags = [...(readonly ? ['ro'] : []), ...options.superblock].map((name) => [name, undefined] as const)
  return [
    ...flags,
    ...data,
    ...targetMode(rootfs.modes?.get(destination), mount, options),
    ...label(spec.linux?.mountLabel, mount),
  ]
}

/** A tmpfs over a directory of the image looks like the directory: /tmp stays 1777, /run 0755. */
function targetMode(mode: number | undefined, { type }: MountSpec, { data }: MountOptions): MountOptions['data'] {
  if (type !== 'tmpfs' || mode === undefined || data.some(([key]) => key === 'mode')) return []
  return [['mode', mode.toString(8)]]
}

/** File systems whose files have no label of their own get the container's; the kernel's own ones keep theirs. */
function label(mountLabel: string | undefined, { type, options }: MountSpec): MountOptions['data'] {
  if (!mountLabel || type === 'proc' || type === 'sysfs' || type === 'mqueue') return []
  return options?.some((option) => option.startsWith('context=')) === true ? [] : [['context', mountLabel]]
}

/** The quotes around a label are mount(2)'s, to keep its commas together. */
function unquoted(key: string, value: string | undefined): string | undefined {
  return key.endsWith('context') ? value?.replace(/^"(.*)"$/s, '$1') : value
}

/** Everything is said anew, as mount(2) has it: what is not given is taken back. */
function planRemount(list: StepList, { mount, options, destination }: Mounting): void {
  const slot = SLOT.target
  const flags = O_PATH
  const sentence = `${title(mount)}: remount`
  list.add(`${sentence}: open`, { op: 'open-in-root', slot, root: ROOTFS_SLOT, path: destination, flags })
  const isReadonly = (options.own.set & MOUNT_ATTR_RDONLY) !== 0
  if (options.bind === 'none')
    list.add(sentence, {
      op: 'reconfigure',
      slot,
      options: [[isReadonly ? 'ro' : 'rw', undefined], ...superblockFlags(options.superblock), ...options.data],
    })
  planAttributes(list, mount, slot, ownEdit(WITHOUT_USER_NAMESPACE, { ...options, isOwnGiven: true }), false)
  planAttributes(list, mount, slot, options.recursive, true)
  planPropagation(list, mount, slot, options)
}

const WITHOUT_USER_NAMESPACE = { spec: { ociVersion: '1.0.0' } }

function superblockFlags(given: readonly string[]): MountOptions['data'] {
  const flags = [given.includes('sync') ? 'sync' : 'async', given.includes('lazytime') ? 'lazytime' : 'nolazytime']
  return [...flags, ...given.filter((name) => name === 'dirsync')].map((name) => [name, undefined] as const)
}

/** Opens (or makes) the mount point. proc and sysfs go onto real directories only: behind a symlink the masks would miss them. */
function addTarget(list: StepList, mount: MountSpec, path: string, kind: 'directory' | 'file'): void {
  const [slot, root] = [SLOT.target, ROOTFS_SLOT]
  list.add(`${title(mount)}: make mount point`, { op: 'make-path', slot, root, path, kind, mode: 0o755 })
  if (mount.type !== 'proc' && mount.type !== 'sysfs') return
  const flags = O_PATH | O_NOFOLLOW | O_DIRECTORY
  list.add(`${title(mount)}: filesystem ${quoted(mount.type)} must be mounted on ordinary directory`, {
    op: 'open-in-root',
    slot,
    root,
    path,
    flags,
  })
}
