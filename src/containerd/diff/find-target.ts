// Where a layer is written to: overlay's upper directory and a writable bind can be filled without mounting anything.
import { Failure } from '../../base/failure.ts'
import type { Mount } from '../snapshots/snapshotter.ts'
import { optionOf, splitLayers } from './plan-diff.ts'

export type ApplyTarget =
  /** An overlay's upper directory: deletions become what overlayfs understands. `lowers` nearest first. */
  | { kind: 'upper'; directory: string; lowers: readonly string[] }
  /** A directory that is all there is: deletions are done. */
  | { kind: 'whole'; directory: string }
  /** The same, behind mounts that have yet to be made. */
  | { kind: 'mounts'; mounts: readonly Mount[] }

/** Throws Failure where there is nothing to write to. */
export function findTarget(mounts: readonly Mount[]): ApplyTarget {
  const [mount, ...others] = mounts
  if (mount === undefined) throw new Failure('invalid-argument', 'apply needs mounts: invalid argument')
  const isMapped = mount.options.some((option) => /^[ug]idmap=/.test(option))
  if (others.length > 0 || (mount.target ?? '') !== '') return { kind: 'mounts', mounts }
  if (mount.type === 'bind' && !mount.options.includes('ro') && !isMapped)
    return { kind: 'whole', directory: mount.source }
  const upper = mount.type === 'overlay' ? optionOf(mount, 'upperdir') : undefined
  if (upper === undefined || mount.options.includes('ro')) return { kind: 'mounts', mounts }
  // Ids in an upper directory are the host's, mapped mount or not.
  return { kind: 'upper', directory: upper, lowers: splitLayers(optionOf(mount, 'lowerdir') ?? '') }
}
