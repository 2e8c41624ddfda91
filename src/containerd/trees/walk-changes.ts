// What makes one tree of another, in the order of names: either both are walked side by side, or an overlay's upper directory, which holds the
// changes already, is read as the kernel would (overlayfs.rst), with the tree below to ask what a change is a change of.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { type ByteString, displayName } from '../../wire/tar/entry.ts'
import { childOf, type FileFacts, factsOf, namesIn, type TreePath } from './file-facts.ts'

export type Change =
  /** New, or not what it was; with `isChanged` false it is as it was and is told for its children's or its other names' sake. */
  | { kind: 'present'; path: TreePath; facts: FileFacts; isChanged: boolean }
  | { kind: 'deleted'; path: TreePath }
  /** Nothing that the tree below has in this directory is seen any more. */
  | { kind: 'opaque'; path: TreePath }

export interface Trees {
  /** Where the trees lie for this thread. */
  lower: string
  upper: string
  /** Of the upper directory's attributes that are overlayfs's own: `trusted.overlay.`; undefined where `upper` is a whole tree. */
  overlayPrefix: string | undefined
}

interface Directory {
  path: TreePath
  names: ByteString[]
  at: number
  /** The tree below has this directory too, and it is not hidden. */
  hasLower: boolean
  /** Its whiteouts may be files with an attribute (an overlay on an overlay). */
  hasXattrWhiteouts: boolean
}

/** The upper directory says something that only a mount can tell: renamed directories, files that are attributes alone. */
export class NeedsMount extends Error {}

/** Directories come before what is in them. Throws NeedsMount for an upper directory that can't be read without the kernel. */
export function* walkChanges(trees: Trees): Generator<Change> {
  const stack = [openDirectory(trees, '/', { hasLower: true, hasXattrWhiteouts: hasXattrWhiteouts(trees, undefined) })]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const name = top.names[top.at++]
    if (name === undefined) {
      stack.pop()
      continue
    }
    const path = childOf(top.path, name)
    const lower = top.hasLower ? factsOf(trees.lower, path) : undefined
    const upper = factsOf(trees.upper, path)
    if (upper === undefined || isWhiteout(trees, top, upper)) {
      // Out of a whole tree it is gone; out of an upper directory it went between two looks, or it hides something.
      if (lower !== undefined && (upper !== undefined || trees.overlayPrefix === undefined))
        yield { kind: 'deleted', path }
      continue
    }
    if (upper.kind === 'socket') {
      // No archive can hold one; what it stands for is gone nonetheless.
      if (lower !== undefined) yield { kind: 'deleted', path }
      continue
    }
    if (upper.kind === 'directory') {
      const isOpaque = lower?.kind === 'directory' && isOpaqueDirectory(trees, upper)
      yield { kind: 'present', path, facts: upper, isChanged: isOpaque || !isSame(lower, upper, trees) }
      if (isOpaque) yield { kind: 'opaque', path }
      const hasLower = lower?.kind === 'directory' && !isOpaque
      const below = { hasLower, hasXattrWhiteouts: hasXattrWhiteouts(trees, upper) }
      stack.push(openDirectory(trees, path, below))
      continue
    }
    refuseMetacopy(trees, upper)
    const isChanged = !isSame(lower, upper, trees)
    if (isChanged || upper.isLinked) yield { kind: 'present', path, facts: upper, isChanged }
  }
}

function openDirectory(
  trees: Trees,
  path: TreePath,
  below: { hasLower: boolean; hasXattrWhiteouts: boolean },
): Directory {
  const names = namesIn(trees.upper, path)
  if (!below.hasLower || trees.overlayPrefix !== undefined) return { path, names, at: 0, ...below }
  const union = new Set([...names, ...namesIn(trees.lower, path)])
  return { path, names: union.size === names.length ? names : [...union].sort(), at: 0, ...below }
}

function ownAttribute(trees: Trees, facts: FileFacts, name: string): string | undefined {
  return trees.overlayPrefix === undefined
    ? undefined
    : facts.xattrs.get(trees.overlayPrefix + name)?.toString('latin1')
}

function isWhiteout(trees: Trees, directory: Directory, facts: FileFacts): boolean {
  if (trees.overlayPrefix === undefined) return false
  if (facts.kind === 'character-device') return facts.stats.rdev === 0n
  if (facts.kind !== 'file' || !directory.hasXattrWhiteouts || facts.stats.size !== 0n) return false
  return ownAttribute(trees, facts, 'whiteout') !== undefined
}

function isOpaqueDirectory(trees: Trees, facts: FileFacts): boolean {
  if (ownAttribute(trees, facts, 'redirect') !== undefined) throw new NeedsMount('redirect')
  return ownAttribute(trees, facts, 'opaque') === 'y'
}

/** `x` in the place of `y` (kernel 6.7): the directory is not opaque, but such whiteouts are in it. */
function hasXattrWhiteouts(trees: Trees, facts: FileFacts | undefined): boolean {
  const directory = facts ?? (trees.overlayPrefix === undefined ? undefined : factsOf(trees.upper, '/'))
  return directory !== undefined && ownAttribute(trees, directory, 'opaque') === 'x'
}

function refuseMetacopy(trees: Trees, facts: FileFacts): void {
  if (trees.overlayPrefix === undefined || facts.kind !== 'file') return
  for (const name of ['metacopy', 'redirect'])
    if (ownAttribute(trees, facts, name) !== undefined) throw new NeedsMount(name)
}

/** Attributes of overlayfs and of this host's own security labels are nobody else's business. */
export function isPortable(name: ByteString): boolean {
  return !/^(?:trusted|user)\.overlay\.|^security\.(?:selinux|ima|evm|apparmor|SMACK64)/.test(name)
}

/**
 * Whole trees that agree on size and time to the nanosecond are believed, as containerd does; where the time has been cut to seconds, and in
 * an upper directory, where only what was copied up stands, the content decides.
 */
function isSame(lower: FileFacts | undefined, upper: FileFacts, trees: Trees): boolean {
  if (lower === undefined || lower.kind !== upper.kind) return false
  if (lower.inode === upper.inode) return true
  if (lower.mode !== upper.mode || lower.uid !== upper.uid || lower.gid !== upper.gid) return false
  if (lower.stats.mtimeNs !== upper.stats.mtimeNs || !haveSameXattrs(lower, upper)) return false
  switch (upper.kind) {
    case 'file': {
      if (lower.stats.size !== upper.stats.size) return false
      const isTold = trees.overlayPrefix === undefined && upper.modified.nanos !== 0
      return isTold || haveSameContent(lower, upper)
    }
    case 'symlink':
      return lower.linkTarget === upper.linkTarget
    case 'character-device':
    case 'block-device':
      return lower.stats.rdev === upper.stats.rdev
    default:
      return true
  }
}

function haveSameXattrs(lower: FileFacts, upper: FileFacts): boolean {
  const portable = (facts: FileFacts) => [...facts.xattrs].filter(([name]) => isPortable(name))
  const [mine, theirs] = [portable(upper), portable(lower)]
  return mine.length === theirs.length && mine.every(([name, value]) => lower.xattrs.get(name)?.equals(value) === true)
}

const COMPARE_SIZE = 64 * 1024
const compared = [Buffer.alloc(COMPARE_SIZE), Buffer.alloc(COMPARE_SIZE)] as const

function haveSameContent(lower: FileFacts, upper: FileFacts): boolean {
  const a = openRegular(lower)
  try {
    const b = openRegular(upper)
    try {
      for (let at = 0n; at < upper.stats.size; at += BigInt(COMPARE_SIZE)) {
        const sizes = [readSync(a, compared[0], 0, COMPARE_SIZE, at), readSync(b, compared[1], 0, COMPARE_SIZE, at)]
        if (sizes[0] !== sizes[1] || !compared[0].subarray(0, sizes[0]).equals(compared[1].subarray(0, sizes[1])))
          return false
      }
      return true
    } finally {
      closeSync(b)
    }
  } finally {
    closeSync(a)
  }
}

/** The container may have put a pipe where the file was, which must not make us wait. The caller closes it. */
export function openRegular(facts: FileFacts): number {
  const fd = openSync(facts.location, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const now = fstatSync(fd, { bigint: true })
  if (now.isFile() && now.ino === facts.stats.ino) return fd
  closeSync(fd)
  throw new Failure('aborted', `${displayName(facts.location.toString('latin1'))}: replaced while it was read`)
}
