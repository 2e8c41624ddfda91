// The root file system: where it comes from, what reaches it from the host and the other way round, and how it becomes the root.
import { Failure } from '../base/failure.ts'
import {
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
  O_DIRECTORY,
  O_PATH,
} from '../linux/constants.ts'
import { ROOTFS_SLOT, type Slot } from '../linux/steps.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import { isNew } from './plan-namespaces.ts'
import type { PlanContainer } from './plan-types.ts'
import type { StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
}

/** MS_PRIVATE and its kin, with MS_REC where the name begins with r; 0 where the spec leaves it. */
export function rootPropagation(spec: RuntimeSpec): number {
  const name = spec.linux?.rootfsPropagation ?? ''
  if (name === '') return 0
  const kind = Object.hasOwn(PROPAGATION, name) ? PROPAGATION[name] : undefined
  const tree =
    name.startsWith('r') && Object.hasOwn(PROPAGATION, name.slice(1)) ? PROPAGATION[name.slice(1)] : undefined
  if (kind === undefined && tree === undefined)
    throw new Failure('invalid-argument', `linux.rootfsPropagation: rootfsPropagation=${name} is not supported`)
  return kind ?? MS_REC | (tree ?? 0)
}

/** What cuts a tree off from the host: it only listens, or not even that. */
export function cutOffKind(spec: RuntimeSpec): number {
  return rootPropagation(spec) & MS_PRIVATE ? MS_PRIVATE : MS_SLAVE
}

/** Mounts of such a container are meant to reach its peers on the host. */
export function isRootShared(spec: RuntimeSpec): boolean {
  return (rootPropagation(spec) & MS_SHARED) !== 0
}

/** Before the user namespace, as long as no path is out of reach. */
export function planRootfsOnHost(list: StepList, { spec, launch, rootfsDirectory }: Input): void {
  if (launch?.rootfsSource !== undefined && isNew(spec, 'mount')) planRootfsClone(list, spec, launch.rootfsSource, true)
  // The way to it may be closed to whom the process becomes; a directory that one is in goes along into the copy of the mount tree.
  if (isNew(spec, 'mount'))
    list.add('go to where the root file system is mounted', { op: 'chdir', path: rootfsDirectory })
}

/** @param isPrepared planRootfsOnHost has done its part. */
export function planRootfs(list: StepList, { spec, launch, rootfsDirectory }: Input, isPrepared: boolean): void {
  if (!isNew(spec, 'mount')) {
    // A mount namespace that is not ours alone is not turned round: the root changes for this process only.
    const path = launch?.rootfsSource ?? rootfsDirectory
    const flags = O_PATH | O_DIRECTORY
    list.add(`open the root file system ${path}`, { op: 'open-host', slot: ROOTFS_SLOT, path, flags })
    return
  }
  const flags = MS_REC | cutOffKind(spec)
  // Nothing that is mounted from here on may reach the host.
  list.add('cut the mount tree off from the host', { op: 'propagation', path: '/', flags })
  if (launch?.rootfsSource !== undefined && !isPrepared) planRootfsClone(list, spec, launch.rootfsSource, false)
  const path = isPrepared ? '.' : rootfsDirectory
  list.add('mount the root file system', { op: 'move-mount-to-path', from: ROOTFS_SLOT, path })
}

function planRootfsClone(list: StepList, spec: RuntimeSpec, path: string, isPeer: boolean): void {
  list.add(`open the root file system ${path}`, { op: 'open-tree', slot: ROOTFS_SLOT, path, recursive: true })
  if (isPeer) planCutOff(list, spec, ROOTFS_SLOT, 'cut the root file system off from the host')
  // With slave, what the host mounts below the root later shows up in the container too.
  if (rootPropagation(spec) & MS_SLAVE) return
  list.add('take the root file system out of its peer group', {
    op: 'mount-setattr',
    slot: ROOTFS_SLOT,
    set: 0n,
    clear: 0n,
    propagation: BigInt(MS_PRIVATE),
    recursive: false,
  })
}

/** A clone taken before the tree is cut off is a peer of the host's mount still. */
export function planCutOff(list: StepList, spec: RuntimeSpec, slot: Slot, sentence: string): void {
  const propagation = BigInt(cutOffKind(spec))
  list.add(sentence, { op: 'mount-setattr', slot, set: 0n, clear: 0n, propagation, recursive: true })
}

export function planEnterRoot(list: StepList, { spec, launch }: Input): void {
  if (spec.root?.readonly === true)
    list.add('make the root file system read-only', {
      op: 'mount-setattr',
      slot: ROOTFS_SLOT,
      set: BigInt(MOUNT_ATTR_RDONLY),
      clear: 0n,
      propagation: 0n,
      recursive: false,
    })
  const propagation = rootPropagation(spec)
  if (!isNew(spec, 'mount')) {
    list.add('change the root', { op: 'chroot', root: ROOTFS_SLOT })
    return
  }
  if (launch?.noPivot === true) {
    if (propagation & MS_PRIVATE)
      throw new Failure(
        'invalid-argument',
        'linux.rootfsPropagation: rootfsPropagation of [r]private is not safe without pivot_root',
      )
    list.add('move the root file system to /', { op: 'move-root', root: ROOTFS_SLOT })
  } else list.add('pivot_root', { op: 'pivot-root', root: ROOTFS_SLOT })
  if (propagation & (MS_SHARED | MS_UNBINDABLE))
    list.add('set the propagation of the root', { op: 'propagation', path: '/', flags: propagation })
}
