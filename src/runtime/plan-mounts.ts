// The mounts of a container. Each is made detached and moved onto a descriptor that was opened inside the root file system.
import { posix } from 'node:path'
import { Failure } from '../base/failure.ts'
import { MS_PRIVATE, MS_SHARED, O_DIRECTORY, O_NOFOLLOW, O_PATH } from '../linux/constants.ts'
import { type MountOptions, parseMountOptions } from '../linux/mount/parse-mount-options.ts'
import { ROOTFS_SLOT, type Slot } from '../linux/steps.ts'
import type { MountSpec } from '../oci/runtime-spec.ts'
import { planCgroupMount } from './plan-cgroup-mount.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

/** Sources that stay in their peer group with the host: by destination, the slot that holds the clone. */
export type SharedSources = ReadonlyMap<MountSpec, Slot>

/** Clones of shared sources are taken before the tree is made a slave, or they would not be shared any more. */
export function planSharedSources(list: StepList, mounts: readonly MountSpec[]): SharedSources {
  const slots = new Map<MountSpec, Slot>()
  for (const mount of mounts) {
    const options = parseMountOptions(mount.options ?? [])
    if (!isBind(mount, options) || options.propagation?.kind !== MS_SHARED) continue
    const slot = SLOT.early + slots.size
    if (slot >= SLOT.end) throw new Failure('invalid-argument', 'mounts: too many shared bind mounts')
    addOpenTree(list, mount, options, slot)
    slots.set(mount, slot)
  }
  return slots
}

export function planMounts(list: StepList, input: Input, shared: SharedSources): void {
  for (const mount of input.spec.mounts ?? []) planMount(list, input, mount, shared)
}

function planMount(list: StepList, input: Input, mount: MountSpec, shared: SharedSources): void {
  const options = parseMountOptions(mount.options ?? [])
  const destination = checkDestination(mount, options)
  checkOptions(mount, options)
  if (isBind(mount, options)) return planBind(list, input, mount, options, destination, shared.get(mount))
  if (mount.type === 'cgroup' || mount.type === 'cgroup2')
    return planCgroupMount(list, input, { mount, options, destination })
  planFilesystem(list, input, mount, options, destination)
}

function planFilesystem(
  list: StepList,
  input: Input,
  mount: MountSpec,
  options: MountOptions,
  destination: string,
): void {
  if (mount.type === undefined || mount.type === '')
    throw new Failure('invalid-argument', `mounts: ${quoted(mount.destination)} has no type`)
  addTarget(list, mount, destination, 'directory')
  const isDevpts = mount.type === 'devpts' && destination === '/dev/pts'
  const slot = isDevpts ? SLOT.devpts : SLOT.source
  list.add(`${title(mount)}: fsmount`, {
    op: 'fs-mount',
    slot,
    fstype: mount.type,
    source: mount.source ?? mount.type,
    options: withTargetMode(input, mount, options, destination),
    attributes: options.own.set | options.recursive.set,
  })
  list.add(`${title(mount)}: move_mount`, { op: 'move-mount', from: slot, to: SLOT.target })
  // A mount is born private; only another kind needs saying.
  if (options.propagation !== undefined && options.propagation.kind !== MS_PRIVATE)
    addAttributes(list, mount, slot, { ...options, own: none, recursive: none })
}

/** A tmpfs over a directory of the image looks like the directory: /tmp stays 1777, /run 0755. */
function withTargetMode(
  { rootfs }: Input,
  mount: MountSpec,
  options: MountOptions,
  destination: string,
): MountOptions['data'] {
  const mode = rootfs.modes?.get(destination)
  if (mount.type !== 'tmpfs' || mode === undefined || options.data.some(([key]) => key === 'mode')) return options.data
  return [...options.data, ['mode', mode.toString(8)]]
}

function planBind(
  list: StepList,
  { rootfs }: Input,
  mount: MountSpec,
  options: MountOptions,
  destination: string,
  sharedSlot: Slot | undefined,
): void {
  const slot = sharedSlot ?? SLOT.source
  if (sharedSlot === undefined) addOpenTree(list, mount, options, slot)
  addAttributes(list, mount, slot, options)
  addTarget(list, mount, destination, rootfs.sources?.get(mount.source ?? '') ?? 'directory')
  list.add(`${title(mount)}: move_mount`, { op: 'move-mount', from: slot, to: SLOT.target })
}

/** `/proc/<pid>/root/<path>`: seen through there, the file's mount belongs to another namespace. */
const OF_ANOTHER_PROCESS = /^(\/proc\/[1-9][0-9]*)\/root(\/.+)$/

function addOpenTree(list: StepList, mount: MountSpec, options: MountOptions, slot: Slot): void {
  const path = mount.source ?? ''
  if (!path.startsWith('/'))
    throw new Failure('invalid-argument', `mounts: the source ${quoted(path)} of a bind mount is not absolute`)
  const recursive = options.bind !== 'one'
  const [, process, theirs] = OF_ANOTHER_PROCESS.exec(path) ?? []
  list.add(
    `${title(mount)}: stat ${path}`,
    process === undefined || theirs === undefined
      ? { op: 'open-tree', slot, path, recursive }
      : { op: 'open-tree-of', slot, namespace: `${process}/ns/mnt`, path: theirs, recursive },
  )
}

/** One call per reach: attributes of the mount alone, and what goes down the whole tree. */
function addAttributes(list: StepList, mount: MountSpec, slot: Slot, options: MountOptions): void {
  const { own, recursive, propagation } = options
  for (const isRecursive of [true, false]) {
    const edit = isRecursive ? recursive : own
    const kind = propagation?.recursive === isRecursive ? propagation.kind : 0
    if (edit.set === 0 && edit.clear === 0 && kind === 0) continue
    list.add(`${title(mount)}: mount_setattr`, {
      op: 'mount-setattr',
      slot,
      set: BigInt(edit.set),
      clear: BigInt(edit.clear),
      propagation: BigInt(kind),
      recursive: isRecursive,
    })
  }
}

const none = { set: 0, clear: 0 }

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

/** Files below /proc that programs like lxcfs may cover; all else there is the kernel's word, and may not be forged. */
const ALLOWED_IN_PROC = new Set(
  [
    'cpuinfo',
    'diskstats',
    'meminfo',
    'stat',
    'swaps',
    'uptime',
    'loadavg',
    'slabinfo',
    'net/dev',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled',
  ].map((name) => `/proc/${name}`),
)

function checkDestination(mount: MountSpec, options: MountOptions): string {
  const destination = posix.normalize(`/${mount.destination}`).replace(/(?<=.)\/$/, '')
  if (destination === '/')
    throw new Failure('invalid-argument', `mounts: destination ${quoted(mount.destination)} is the root`)
  if (destination.startsWith('/proc/') && !(isBind(mount, options) && ALLOWED_IN_PROC.has(destination)))
    throw new Failure(
      'invalid-argument',
      `${title(mount)}: ${quoted(destination)} cannot be mounted because it is inside /proc`,
    )
  if (destination === '/proc' && mount.type !== 'proc' && mount.source !== '/proc')
    throw new Failure(
      'invalid-argument',
      `${title(mount)}: ${quoted(destination)} cannot be mounted because it is not of type proc`,
    )
  return destination
}

function checkOptions(mount: MountSpec, options: MountOptions): void {
  const [unsupported] = options.unsupported
  if (unsupported !== undefined)
    throw new Failure('unimplemented', `mounts: option ${quoted(unsupported)} of ${quoted(mount.destination)}`)
  for (const [key, value] of isBind(mount, options) ? [] : options.data)
    if (key.length + (value?.length ?? 0) > 255)
      // fsconfig(2)'s own bound
      throw new Failure('invalid-argument', `mounts: option ${quoted(key)} of ${quoted(mount.destination)} is too long`)
}

function isBind(mount: MountSpec, options: MountOptions): boolean {
  return options.bind !== 'none' || mount.type === 'bind'
}

/** explain-step-failure.ts knows this form and makes runc's sentence of it. */
export function title(mount: MountSpec): string {
  return `mount ${quoted(mount.source ?? mount.type ?? '')} at ${quoted(mount.destination)}`
}
