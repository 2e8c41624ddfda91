// What makes one tree of another, in the order of names: either both are walked side by side, or an overlay's upper directory, which holds the
// changes already, is read as the kernel would (overlayfs.rst), with the tree below to ask what a change is a change of.
import { closeSync, readSync } from 'node:fs'
import { openRegular } from '../../trees/file-content.ts'
import { childOf, type FileFacts, factsOf, namesIn, type TreePath } from '../../trees/file-facts.ts'
import { OverlayMarks } from '../../trees/overlay-marks.ts'
import type { ByteString } from '../../wire/tar/entry.ts'

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

/** Directories come before what is in them. Throws NeedsMount for an upper directory that can't be read without the kernel. */
export function* walkChanges(trees: Trees): Generator<Change> {
  const marks = new OverlayMarks(trees.overlayPrefix)
  const root = { hasLower: true, hasXattrWhiteouts: marks.hasXattrWhiteouts(factsOf(trees.upper, '/')) }
  const stack = [openDirectory(trees, '/', root)]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const name = top.names[top.at++]
    if (name === undefined) {
      stack.pop()
      continue
    }
    const path = childOf(top.path, name)
    const lower = top.hasLower ? factsOf(trees.lower, path) : undefined
    const upper = factsOf(trees.upper, path)
    if (upper === undefined || marks.isWhiteout(upper, top.hasXattrWhiteouts)) {
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
      const isOpaque = marks.isOpaque(upper) && lower?.kind === 'directory'
      yield { kind: 'present', path, facts: upper, isChanged: isOpaque || !isSame(lower, upper, trees) }
      if (isOpaque) yield { kind: 'opaque', path }
      const hasLower = lower?.kind === 'directory' && !isOpaque
      const below = { hasLower, hasXattrWhiteouts: marks.hasXattrWhiteouts(upper) }
      stack.push(openDirectory(trees, path, below))
      continue
    }
    marks.refuseMetacopy(upper)
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
