// Bind mounts: a clone of the source, changed while it is nowhere to be seen, then moved onto its target.
import { Failure } from '../base/failure.ts'
import {
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  O_RDONLY,
} from '../linux/constants.ts'
import { type MountOptions, parseMountOptions } from '../linux/mount/parse-mount-options.ts'
import type { Slot } from '../linux/steps.ts'
import type { IdMapping, MountSpec } from '../oci/runtime-spec.ts'
import { formatMapping } from './check-namespaces.ts'
import { isBelow, isBindMount } from './container-path.ts'
import { hasUserNamespace, isNew, joinedPath } from './plan-namespaces.ts'
import { isRootShared, planCutOff } from './plan-rootfs.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

/** Clones taken before the process has left the host, by their mount. */
export type EarlySources = ReadonlyMap<MountSpec, Slot>

/**
 * Before the tree is cut off, where what is mounted in the container is to reach the host; before another mount namespace is joined; and
 * before the user namespace, in which sources may be out of reach and maps of ids have no say.
 */
export function planEarlySources(list: StepList, input: Input): EarlySources {
  const { spec, launch, rootfsDirectory } = input
  const isUserEarly = hasUserNamespace(spec) && launch?.rootless !== true
  const slots = new Map<MountSpec, Slot>()
  if (!isUserEarly && !isRootShared(spec) && joinedPath(spec, 'mount') === undefined) return slots
  for (const mount of spec.mounts ?? []) {
    // What lies in the root file system may be made by the mounts before it.
    if (!isBindMount(mount) || isRemount(mount) || isBelow(mount.source ?? '', rootfsDirectory)) continue
    const slot = list.newSlot('mounts')
    planSource(list, input, mount, slot)
    if (isUserEarly && !isRootShared(spec))
      planCutOff(list, spec, slot, `${title(mount)}: cut the source off from the host`)
    planEdits(list, input, mount, slot)
    slots.set(mount, slot)
  }
  return slots
}

/** @returns the slot of the changed clone, ready to be moved. */
export function planBindSource(list: StepList, input: Input, mount: MountSpec, early: EarlySources): Slot {
  const slot = early.get(mount)
  if (slot !== undefined) return slot
  planSource(list, input, mount, SLOT.source)
  planEdits(list, input, mount, SLOT.source)
  return SLOT.source
}

function isRemount({ options }: MountSpec): boolean {
  return parseMountOptions(options ?? []).isRemount
}

/** `/proc/<pid>/root/<path>`: seen through there, the file's mount belongs to another namespace. */
const OF_ANOTHER_PROCESS = /^(\/proc\/[1-9][0-9]*)\/root(\/.+)$/

function planSource(list: StepList, { spec }: Input, mount: MountSpec, slot: Slot): void {
  const path = mount.source ?? ''
  if (!path.startsWith('/'))
    throw new Failure('invalid-argument', `${fieldOf(spec.mounts, mount)}.source: ${quoted(path)} is not absolute`)
  const recursive = parseMountOptions(mount.options ?? []).bind !== 'one'
  const [, process, theirs] = OF_ANOTHER_PROCESS.exec(path) ?? []
  list.add(
    `${title(mount)}: stat ${path}`,
    process === undefined || theirs === undefined
      ? { op: 'open-tree', slot, path, recursive }
      : { op: 'open-tree-of', slot, namespace: `${process}/ns/mnt`, path: theirs, recursive },
  )
}

/** What mount(8) takes for the options of a mount, that of access times aside. */
const FLAGS = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW

function planEdits(list: StepList, input: Input, mount: MountSpec, slot: Slot): void {
  const options = parseMountOptions(mount.options ?? [])
  planIdMap(list, input, mount, options, slot)
  planAttributes(list, mount, slot, ownEdit(input, options), false)
  // After it, or `rro` would be taken back where another option is given.
  planAttributes(list, mount, slot, options.recursive, true)
  planPropagation(list, mount, slot, options)
}

/**
 * With any option given the mount has the given ones and no others; with none it is like its source. In a user namespace what the host has
 * restricted stays so unless it is taken back by name.
 */
export function ownEdit(
  { spec }: Pick<Input, 'spec'>,
  { own, isOwnGiven }: MountOptions,
): { set: number; clear: number } {
  if (!isOwnGiven) return own
  const implied = hasUserNamespace(spec) ? MOUNT_ATTR_NOSYMFOLLOW : FLAGS
  return { set: own.set, clear: own.clear | (implied & ~own.set) }
}

export function planAttributes(
  list: StepList,
  mount: MountSpec,
  slot: Slot,
  { set, clear }: { set: number; clear: number },
  recursive: boolean,
): void {
  if (set === 0 && clear === 0) return
  list.add(`${title(mount)}: mount_setattr`, {
    op: 'mount-setattr',
    slot,
    set: BigInt(set),
    clear: BigInt(clear),
    propagation: 0n,
    recursive,
  })
}

export function planPropagation(list: StepList, mount: MountSpec, slot: Slot, { propagation }: MountOptions): void {
  for (const { kind, recursive } of propagation)
    list.add(`${title(mount)}: set its propagation`, {
      op: 'mount-setattr',
      slot,
      set: 0n,
      clear: 0n,
      propagation: BigInt(kind),
      recursive,
    })
}

function planIdMap(list: StepList, input: Input, mount: MountSpec, options: MountOptions, slot: Slot): void {
  if (!isIdMapped(mount, options)) return
  const { linux } = input.spec
  const isGiven = Boolean(mount.uidMappings?.length || mount.gidMappings?.length)
  const joined = joinedPath(input.spec, 'user')
  if (!isGiven && joined !== undefined)
    list.add(`${title(mount)}: open user namespace ${quoted(joined)}`, {
      op: 'open-host',
      slot: SLOT.idMap,
      path: joined,
      flags: O_RDONLY,
    })
  else
    list.add(`${title(mount)}: make a user namespace for its id map`, {
      op: 'make-user-namespace',
      slot: SLOT.idMap,
      uidMap: formatMap((isGiven ? mount.uidMappings : linux?.uidMappings) ?? []),
      gidMap: formatMap((isGiven ? mount.gidMappings : linux?.gidMappings) ?? []),
    })
  list.add(`${title(mount)}: map its ids`, {
    op: 'mount-setattr',
    slot,
    set: BigInt(MOUNT_ATTR_IDMAP),
    clear: 0n,
    propagation: 0n,
    recursive: options.idmap === 'recursive',
    userns: SLOT.idMap,
  })
}

export function isIdMapped(mount: MountSpec, options: MountOptions): boolean {
  return options.idmap !== 'none' || Boolean(mount.uidMappings?.length || mount.gidMappings?.length)
}

function formatMap(mappings: readonly IdMapping[]): string {
  return mappings.map((mapping) => `${formatMapping(mapping)}\n`).join('')
}

/** Which of the spec's mounts it is, for a failure. */
export function fieldOf(mounts: readonly MountSpec[] | undefined, mount: MountSpec): string {
  return `mounts[${mounts?.indexOf(mount) ?? 0}]`
}

/** explain-step-failure.ts knows this form and makes runc's sentence of it. */
export function title(mount: MountSpec): string {
  return `mount ${quoted(mount.source ?? mount.type ?? '')} at ${quoted(mount.destination)}`
}

/** A sysfs shows the network namespace's devices, and the kernel gives one only to whom that belongs. */
export function mayLackSysfs({ spec }: Pick<Input, 'spec'>): boolean {
  return hasUserNamespace(spec) && !isNew(spec, 'network')
}
