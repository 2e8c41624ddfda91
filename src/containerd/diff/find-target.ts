// Which directory a layer is written to: overlay's upper directory can be filled without mounting anything.
import { Failure } from '../../base/failure.ts'
import type { Mount } from '../snapshots/snapshotter.ts'

export interface ApplyTarget {
  upper: string
  /** Nearest first. */
  lowers: readonly string[]
}

/** Throws Failure('unimplemented') for mounts that are neither one overlay nor one bind. */
export function findTarget(mounts: readonly Mount[]): ApplyTarget {
  const [mount, ...others] = mounts
  if (!mount || others.length > 0) throw new Failure('unimplemented', 'apply needs exactly one mount')
  if (mount.type === 'bind' && mount.options.includes('ro'))
    throw new Failure('failed-precondition', `apply to ${mount.source}: read-only file system`)
  if (mount.type === 'bind') return { upper: mount.source, lowers: [] }
  if (mount.type === 'overlay') {
    const upper = option(mount, 'upperdir')
    if (upper === undefined)
      throw new Failure('failed-precondition', 'apply to an overlay without upperdir: read-only file system')
    return { upper, lowers: option(mount, 'lowerdir')?.split(':') ?? [] }
  }
  throw new Failure('unimplemented', `apply to a mount of type ${mount.type}`)
}

function option(mount: Mount, key: string): string | undefined {
  return mount.options.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1)
}
