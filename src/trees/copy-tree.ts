// A copy of a tree that is as good as the tree: owners, modes, times, attributes, hard links, holes and devices. Blocks are shared where the
// file system can. It runs on a thread that sees nothing but the two trees (linux/thread-mounts.ts).
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { lsetxattrBytes, mknodBytes, setTimesBytes } from '../linux/byte-path.ts'
import { cloneFile, copyRange, nextData } from '../linux/copy-range.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { childOf, type FileFacts, factsOf, locationOf, namesIn, type TreePath } from './file-facts.ts'
import { openRegular } from './file-content.ts'

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW

export interface CopyOptions {
  /**
   * `to` is a volume, which somebody may be writing to: what is there already stays as it is, and what its file system can't hold of a file's
   * attributes is left out, as are overlayfs's own.
   */
  intoVolume?: boolean
}

/** `from` and `to` are directories as this thread sees them; `to` is empty but for a volume, and gets `from`'s own attributes too. */
export function copyTree(from: string, to: string, { intoVolume = false }: CopyOptions = {}): void {
  new TreeCopy(from, to, intoVolume).run()
}

const OVERLAY_PREFIX = 'trusted.overlay.'

class TreeCopy {
  readonly #from: string
  readonly #to: string
  readonly #intoVolume: boolean
  /** The first copy of each file that has several names, by inode. */
  readonly #copies = new Map<string, Buffer>()
  #canClone = true
  #canCopyRange = true

  constructor(from: string, to: string, intoVolume: boolean) {
    this.#from = from
    this.#to = to
    this.#intoVolume = intoVolume
  }

  run(): void {
    const root = factsOf(this.#from, '/')
    if (root === undefined) return
    const pending: { path: TreePath; facts: FileFacts; names: string[] }[] = [
      { path: '/', facts: root, names: namesIn(this.#from, '/') },
    ]
    for (let top = pending.at(-1); top !== undefined; top = pending.at(-1)) {
      const name = top.names.pop()
      if (name === undefined) {
        // A directory's time is what it was, not when its last child came.
        this.#setAttributes(locationOf(this.#to, top.path), top.facts)
        pending.pop()
        continue
      }
      const path = childOf(top.path, name)
      const facts = factsOf(this.#from, path)
      if (facts === undefined) continue
      if (this.#make(locationOf(this.#to, path), facts)) pending.push({ path, facts, names: namesIn(this.#from, path) })
    }
  }

  /** True for a directory that is new. */
  #make(target: Buffer, facts: FileFacts): boolean {
    const isDirectory = facts.kind === 'directory'
    try {
      if (isDirectory) mkdirSync(target, { mode: 0o700 })
      else this.#copyFile(target, facts)
      return isDirectory
    } catch (error) {
      if (!this.#intoVolume || !hasErrno(error, 'EEXIST')) throw error
      return false
    }
  }

  #copyFile(target: Buffer, facts: FileFacts): void {
    if (facts.isLinked) {
      const copy = this.#copies.get(facts.inode)
      if (copy !== undefined) {
        linkSync(copy, target)
        return
      }
    }
    switch (facts.kind) {
      case 'file':
        this.#copyContent(target, facts)
        break
      case 'symlink':
        symlinkSync(Buffer.from(facts.linkTarget, 'latin1'), target)
        break
      default:
        mknodBytes(target, Number(facts.stats.mode), facts.device)
    }
    if (facts.isLinked) this.#copies.set(facts.inode, target)
    this.#setAttributes(target, facts)
  }

  #copyContent(target: Buffer, facts: FileFacts): void {
    const source = openRegular(facts)
    try {
      const copy = openSync(target, CREATE, 0o600)
      try {
        this.#fill(copy, source)
        // Now, and not by name below: a write or a change of owner would take set-user-ID away again.
        fchownSync(copy, facts.uid, facts.gid)
        fchmodSync(copy, facts.mode)
      } finally {
        closeSync(copy)
      }
    } finally {
      closeSync(source)
    }
  }

  #fill(copy: number, source: number): void {
    if (this.#canClone) {
      this.#canClone = cloneFile(source, copy)
      if (this.#canClone) return
    }
    const { size } = fstatSync(source)
    for (let at = nextData(source, 0, size); at < size; ) {
      const copied = this.#copySome(copy, source, at, size)
      if (copied === 0) break // cut short meanwhile
      at = nextData(source, at + copied, size)
    }
    ftruncateSync(copy, size)
  }

  #copySome(copy: number, source: number, at: number, size: number): number {
    if (this.#canCopyRange) {
      const copied = copyRange(source, copy, at, Math.min(size - at, RANGE_SIZE))
      if (copied !== undefined) return copied
      this.#canCopyRange = false
    }
    const read = readSync(source, buffer, 0, buffer.length, at)
    for (let done = 0; done < read; ) done += writeSync(copy, buffer, done, read - done, at + done)
    return read
  }

  #setAttributes(target: Buffer, facts: FileFacts): void {
    if (facts.kind !== 'file') {
      lchownSync(target, facts.uid, facts.gid)
      if (facts.kind !== 'symlink') chmodSync(target, facts.mode)
    }
    for (const [name, value] of facts.xattrs) {
      if (this.#intoVolume && name.startsWith(OVERLAY_PREFIX)) continue
      try {
        lsetxattrBytes(target, Buffer.from(name, 'latin1'), value)
      } catch (error) {
        if (!hasErrno(error, 'EOPNOTSUPP') && !(this.#intoVolume && hasErrno(error, 'EPERM'))) throw error
      }
    }
    setTimesBytes(target, facts.modified, facts.accessed)
  }
}

/** Between two looks for holes. */
const RANGE_SIZE = 16 * 1024 * 1024
const buffer = Buffer.alloc(256 * 1024)
