// What overlayfs writes into an upper directory to say what became of the layers below (overlayfs.rst).
import type { FileFacts } from './file-facts.ts'

/** The upper directory says something that only a mount can tell: renamed directories, files that are attributes alone. */
export class NeedsMount extends Error {}

/** How an upper directory's own marks are read. `prefix` is of their names: `trusted.overlay.`; undefined for a whole tree, which has none. */
export class OverlayMarks {
  readonly prefix: string | undefined

  constructor(prefix: string | undefined) {
    this.prefix = prefix
  }

  isWhiteout(facts: FileFacts, hasXattrWhiteouts: boolean): boolean {
    if (this.prefix === undefined) return false
    if (facts.kind === 'character-device') return facts.stats.rdev === 0n
    if (facts.kind !== 'file' || !hasXattrWhiteouts || facts.stats.size !== 0n) return false
    return this.#attribute(facts, 'whiteout') !== undefined
  }

  /** Throws NeedsMount for a directory that was renamed. */
  isOpaque(facts: FileFacts): boolean {
    if (this.#attribute(facts, 'redirect') !== undefined) throw new NeedsMount('redirect')
    return this.#attribute(facts, 'opaque') === 'y'
  }

  /** `x` in the place of `y` (kernel 6.7): the directory is not opaque, but whiteouts that are files with an attribute are in it. */
  hasXattrWhiteouts(directory: FileFacts | undefined): boolean {
    return directory !== undefined && this.#attribute(directory, 'opaque') === 'x'
  }

  /** Throws NeedsMount for a file whose content is still below. */
  refuseMetacopy(facts: FileFacts): void {
    if (this.prefix === undefined || facts.kind !== 'file') return
    for (const name of ['metacopy', 'redirect'])
      if (this.#attribute(facts, name) !== undefined) throw new NeedsMount(name)
  }

  #attribute(facts: FileFacts, name: string): string | undefined {
    return this.prefix === undefined ? undefined : facts.xattrs.get(this.prefix + name)?.toString('latin1')
  }
}
