// What the API tells of a path in a container, on the thread whose root is that container's.
import { constants, lstatSync, readlinkSync } from 'node:fs'
import { posix } from 'node:path'
import { formatRfc3339Nano } from '../../base/clock.ts'
import { Failure } from '../../base/failure.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { PathStat } from './files-job.ts'

/** Go's os.FileMode: permissions as everywhere, the rest by bits of its own. */
const GO_KIND: Record<number, number> = {
  [constants.S_IFDIR]: 0x8000_0000,
  [constants.S_IFLNK]: 0x0800_0000,
  [constants.S_IFIFO]: 0x0200_0000,
  [constants.S_IFSOCK]: 0x0100_0000,
  [constants.S_IFBLK]: 0x0400_0000,
  [constants.S_IFCHR]: 0x0420_0000,
}
const GO_SPECIAL = [
  [0o4000, 0x0080_0000],
  [0o2000, 0x0040_0000],
  [0o1000, 0x0010_0000],
] as const

export function goFileMode(mode: number): number {
  const special = GO_SPECIAL.reduce((bits, [bit, go]) => bits + (mode & bit ? go : 0), 0)
  return (mode & 0o777) + special + (GO_KIND[mode & constants.S_IFMT] ?? 0)
}

/** `path` is absolute; what stands at its end (`/`, `/.`) follows a link there. Throws what node:fs throws. */
export function statPath(path: string): PathStat {
  const stats = lstatSync(path, { bigint: true })
  const mode = Number(stats.mode)
  return {
    name: baseName(path),
    size: Number(stats.size),
    mode: goFileMode(mode),
    mtime: formatNanos(stats.mtimeNs),
    linkTarget: stats.isSymbolicLink() ? followLinks(path) : '',
  }
}

/** Go's filepath.Base: `/` of the root, `.` of `/a/.`. */
export function baseName(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  return trimmed === '' ? '/' : trimmed.slice(trimmed.lastIndexOf('/') + 1)
}

const LINKS_MAX = 255

/**
 * Where a path leads when every link in it is followed; parts that are not there stay as they are. `linkAt` answers where a link points, undefined for
 * what is none: it is asked for paths without links on the way only. Left out: those of this thread's root.
 */
export function followLinks(path: string, linkAt = linkOfThread): string {
  let rest = path.split('/')
  let at = '/'
  for (let links = 0; rest.length > 0; ) {
    const [part = '', ...more] = rest
    rest = more
    if (part === '' || part === '.') continue
    if (part === '..') {
      at = posix.dirname(at)
      continue
    }
    const next = posix.join(at, part)
    const target = linkAt(next)
    if (target === undefined) {
      at = next
      continue
    }
    if (++links > LINKS_MAX) throw new Failure('unknown', `evalSymlinksInScope: too many links in ${path}`)
    if (target.startsWith('/')) at = '/'
    rest = [...target.split('/'), ...rest]
  }
  return at
}

function linkOfThread(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (hasErrno(error, 'EINVAL', 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

const MILLISECOND_NS = 1_000_000n

function formatNanos(timeNs: bigint): string {
  const extra = ((timeNs % MILLISECOND_NS) + MILLISECOND_NS) % MILLISECOND_NS // a time before 1970 has a positive rest
  return formatRfc3339Nano(Number((timeNs - extra) / MILLISECOND_NS), Number(extra))
}
