// What a container changed, in the sense of `docker diff`: names that are new, gone, or whose mode, owner, time, size or capabilities are another's.
import { hasErrno } from '../linux/kernel-error.ts'
import type { ByteString } from '../wire/tar/entry.ts'
import { childOf, type FileFacts, factsOf, namesIn, type TreePath } from './file-facts.ts'
import { OverlayMarks } from './overlay-marks.ts'

/** As the API numbers them. */
export const CHANGE = { modified: 0, added: 1, deleted: 2 } as const

export interface FileChange {
  path: TreePath
  kind: (typeof CHANGE)[keyof typeof CHANGE]
}

export interface ComparedTrees {
  /** Where the trees lie for this thread. */
  lower: string
  upper: string
  /** Where `upper` is an overlay's upper directory: the prefix of its marks. Undefined for a whole tree. */
  overlayPrefix: string | undefined
}

/**
 * In the order of names, a directory before what is in it; one whose content changed has changed itself. Takes as long as the upper directory is
 * large. Throws NeedsMount where only the kernel can tell what the upper directory means.
 */
export function listChanges(trees: ComparedTrees): FileChange[] {
  const lister = new ChangeLister(trees)
  const root = factsOf(trees.upper, '/')
  if (root !== undefined) lister.compareDirectory('/', root, true)
  return lister.changes
}

class ChangeLister {
  readonly changes: FileChange[] = []
  readonly #trees: ComparedTrees
  readonly #marks: OverlayMarks

  constructor(trees: ComparedTrees) {
    this.#trees = trees
    this.#marks = new OverlayMarks(trees.overlayPrefix)
  }

  /** @param hasLower the tree below has a directory here too. */
  compareDirectory(path: TreePath, upper: FileFacts, hasLower: boolean): void {
    const isHidden = path !== '/' && this.#marks.isOpaque(upper)
    const hasXattrWhiteouts = this.#marks.hasXattrWhiteouts(upper)
    for (const name of this.#namesOf(path, hasLower, isHidden)) {
      const child = childOf(path, name)
      const lower = hasLower ? factsOf(this.#trees.lower, child) : undefined
      const found = factsOf(this.#trees.upper, child)
      const place = this.changes.length
      try {
        if (found !== undefined && !this.#marks.isWhiteout(found, hasXattrWhiteouts)) {
          this.#compare(child, lower, found)
          continue
        }
      } catch (error) {
        if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error
        this.changes.length = place // a running container has removed it meanwhile
      }
      if (lower !== undefined) this.#add(child, CHANGE.deleted)
    }
  }

  #compare(path: TreePath, lower: FileFacts | undefined, upper: FileFacts): void {
    this.#marks.refuseMetacopy(upper)
    const isDirectory = upper.kind === 'directory'
    const place = this.changes.length
    if (lower === undefined) this.#add(path, CHANGE.added)
    else if (isDifferent(lower, upper)) this.#add(path, CHANGE.modified)
    if (!isDirectory) return
    const isTold = this.changes.length > place
    this.compareDirectory(path, upper, lower?.kind === 'directory')
    if (!isTold && this.changes.length > place) this.changes.splice(place, 0, { path, kind: CHANGE.modified })
  }

  /** Where all of the names below count, or what an opaque directory hides: both trees' names. */
  #namesOf(path: TreePath, hasLower: boolean, isHidden: boolean): ByteString[] {
    const names = namesIn(this.#trees.upper, path)
    if (!hasLower || (this.#trees.overlayPrefix !== undefined && !isHidden)) return names
    const union = new Set([...names, ...namesIn(this.#trees.lower, path)])
    return union.size === names.length ? names : [...union].sort()
  }

  #add(path: TreePath, kind: FileChange['kind']): void {
    this.changes.push({ path, kind })
  }
}

const CAPABILITY = 'security.capability'

function isDifferent(lower: FileFacts, upper: FileFacts): boolean {
  if (lower.inode === upper.inode) return false
  const [a, b] = [lower.stats, upper.stats]
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return true
  if (upper.kind !== 'directory' && (a.size !== b.size || !isSameTime(a.mtimeNs, b.mtimeNs))) return true
  if (upper.kind !== 'file') return false
  const [mine, theirs] = [upper.xattr(CAPABILITY), lower.xattr(CAPABILITY)]
  return mine === undefined ? theirs !== undefined : theirs === undefined || !mine.equals(theirs)
}

const SECOND_NS = 1_000_000_000n

/** A time that was cut to seconds, by an archive, is that of its second. */
function isSameTime(a: bigint, b: bigint): boolean {
  if (a === b) return true
  return a / SECOND_NS === b / SECOND_NS && (a % SECOND_NS === 0n || b % SECOND_NS === 0n)
}
