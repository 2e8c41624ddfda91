// Unpacks an archive into a directory as Docker's `cp` does. Where the archive is somebody else's, either the caller's root holds nothing but the tree
// that it may write to (linux/thread-view.ts), or links of the archive's own are never followed (`followsLinks: false`).
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { posix } from 'node:path'
import { Failure } from '../base/failure.ts'
import { lsetxattrBytes, mknodBytes, setTimesBytes } from '../linux/byte-path.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { type ByteString, displayName, type TarEntry, type TarTime } from '../wire/tar/entry.ts'
import { CAPABILITY, inNamespaceOf } from './file-capability.ts'
import type { OwnerMap } from './owner-map.ts'
import type { TarSink } from '../wire/tar/tar-parser.ts'

export interface ExtractOptions {
  /** Absolute. */
  directory: ByteString
  /** Whose everything becomes; `archived`: each entry's own; `mine`: whoever runs this. */
  owner: { uid: number; gid: number } | 'archived' | 'mine'
  /** Neither a directory is replaced by anything else, nor anything else by a directory. */
  keepsKinds: boolean
  /** Entries may lie behind symlinks that came out of the same archive. */
  followsLinks: boolean
  /** Left out: files have the owners that are said. Not with `mine`. */
  owners?: OwnerMap | undefined
}

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW
const IMPLIED_MODE = 0o755
/** Above it their times are set at once, and later content may touch them again. */
const DIRECTORIES_MAX = 1_000_000

/** A TarSink. Call `finish` after the last entry, or `abandon` when anything failed. Throws Failure, or what node:fs throws. */
export class TreeExtractor implements TarSink {
  readonly #options: ExtractOptions
  readonly #root: string
  /** A directory's time is what it was packed with, not when its last child was made: set when all is there. */
  readonly #directoryTimes = new Map<ByteString, TarTime>()
  /** Symlinks out of this archive, by inode: a hard link gives one a second name. */
  readonly #links = new Set<string>()
  #path: ByteString = ''
  #entry: TarEntry | undefined
  #owner = { uid: 0, gid: 0 }
  #fd: number | undefined

  constructor(options: ExtractOptions) {
    this.#options = options
    this.#root = posix.normalize(options.directory).replace(/(?<=.)\/+\.?$/, '')
  }

  entry(entry: TarEntry): void {
    const name = posix.normalize(entry.name === '' ? '.' : entry.name).replace(/(?<=.)\/+$/, '')
    const path = posix.join(this.#root, name)
    this.#entry = undefined
    if (!isWithin(this.#root, path)) throw new Failure('unknown', `${quoted(name)} is outside of ${quoted(this.#root)}`)
    this.#refuseLinkedParents(path)
    this.#owner = this.#ownerOf(entry) // before anything gives way to what may not be
    this.#makeParents(path)
    this.#path = path
    if (!this.#clear(path, name, entry)) return
    this.#entry = entry
    this.#make(path, entry)
  }

  data(bytes: Buffer): void {
    if (this.#fd === undefined) return
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at)
  }

  end(): void {
    if (this.#fd === undefined || this.#entry === undefined) return
    const { uid, gid } = this.#owner
    // After the content: a write takes set-user-ID and file capabilities away.
    if (this.#options.owner !== 'mine') fchownSync(this.#fd, uid, gid)
    fchmodSync(this.#fd, this.#entry.mode)
    this.abandon()
    this.#setXattrs(this.#path, this.#entry)
    setTimesBytes(bytesOf(this.#path), this.#entry.mtime)
  }

  finish(): void {
    for (const [path, time] of this.#directoryTimes) setTimesBytes(bytesOf(path), time)
    this.#directoryTimes.clear()
  }

  abandon(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /** False where nothing is to be made: the directory itself stands for `.`. */
  #clear(path: ByteString, name: ByteString, entry: TarEntry): boolean {
    const stats = lstatIfThere(path)
    if (stats === undefined) return true
    const [isDirectory, wantsDirectory] = [stats.isDirectory(), entry.type === 'directory']
    if (this.#options.keepsKinds && isDirectory !== wantsDirectory) {
      const [old, made] = isDirectory ? ['directory', 'non-directory'] : ['non-directory', 'directory']
      throw new Failure('unknown', `cannot overwrite ${old} ${quoted(path)} with ${made} ${quoted(this.#root)}`)
    }
    if (isDirectory && name === '.') return false
    if (!isDirectory || !wantsDirectory) rmSync(bytesOf(path), { recursive: true, force: true })
    return true
  }

  #make(path: ByteString, entry: TarEntry): void {
    const target = bytesOf(path)
    switch (entry.type) {
      case 'file':
        this.#fd = openSync(target, CREATE, 0o600)
        return
      case 'directory':
        if (lstatIfThere(path) === undefined) mkdirSync(target, { mode: 0o700 })
        break
      case 'hardlink': {
        const existing = posix.join(this.#root, entry.linkName)
        if (!isWithin(this.#root, existing))
          throw new Failure('unknown', `invalid hardlink ${quoted(existing)} -> ${quoted(entry.linkName)}`)
        this.#refuseLinkedParents(existing)
        linkSync(bytesOf(existing), target)
        return // owner, mode and times are those of the file it names
      }
      case 'symlink':
        if (!isWithin(this.#root, posix.join(posix.dirname(path), entry.linkName)))
          throw new Failure('unknown', `invalid symlink ${quoted(path)} -> ${quoted(entry.linkName)}`)
        symlinkSync(Buffer.from(entry.linkName, 'latin1'), target)
        if (!this.#options.followsLinks) this.#links.add(inodeOf(lstatSync(target)))
        break
      default:
        this.#makeNode(target, entry)
    }
    this.#setAttributes(path, entry)
  }

  #makeNode(target: Buffer, entry: TarEntry): void {
    const kinds = { 'character-device': constants.S_IFCHR, 'block-device': constants.S_IFBLK, fifo: constants.S_IFIFO }
    const kind = kinds[entry.type as keyof typeof kinds]
    mknodBytes(target, kind | (entry.mode & 0o777), { major: entry.deviceMajor, minor: entry.deviceMinor })
  }

  #setAttributes(path: ByteString, entry: TarEntry): void {
    const target = bytesOf(path)
    const { uid, gid } = this.#owner
    if (this.#options.owner !== 'mine') lchownSync(target, uid, gid)
    this.#setXattrs(path, entry)
    if (entry.type !== 'symlink') chmodSync(target, entry.mode)
    if (entry.type === 'directory' && this.#directoryTimes.size < DIRECTORIES_MAX)
      this.#directoryTimes.set(path, entry.mtime)
    else setTimesBytes(target, entry.mtime)
  }

  #setXattrs(path: ByteString, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      try {
        lsetxattrBytes(bytesOf(path), Buffer.from(name, 'latin1'), this.#attributeOf(name, value))
      } catch (error) {
        // What this file may not have is no reason to refuse it.
        if (!hasErrno(error, 'EPERM')) throw error
      }
    }
  }

  #attributeOf(name: ByteString, value: Uint8Array): Uint8Array {
    const root = name === CAPABILITY ? this.#options.owners?.given({ uid: 0, gid: 0 }) : undefined
    return root === undefined ? value : inNamespaceOf(root.uid, value)
  }

  #ownerOf(entry: TarEntry): { uid: number; gid: number } {
    const { owner, owners } = this.#options
    const said = typeof owner === 'object' ? owner : entry
    return owners?.given(said) ?? said
  }

  #makeParents(path: ByteString): void {
    const parent = posix.dirname(path)
    if (lstatIfThere(parent) !== undefined) return
    const missing: ByteString[] = []
    for (let at = parent; lstatIfThere(at) === undefined; at = posix.dirname(at)) missing.push(at)
    for (const directory of missing.reverse()) {
      mkdirSync(bytesOf(directory), { mode: IMPLIED_MODE })
      const owner = this.#options.owners?.given({ uid: 0, gid: 0 })
      if (owner !== undefined) lchownSync(bytesOf(directory), owner.uid, owner.gid)
    }
  }

  #refuseLinkedParents(path: ByteString): void {
    if (this.#links.size === 0) return
    for (let at = posix.dirname(path); at.length > this.#root.length; at = posix.dirname(at)) {
      const stats = lstatIfThere(at)
      if (stats?.isSymbolicLink() && this.#links.has(inodeOf(stats)))
        throw new Failure('unknown', `${quoted(path)} lies behind the symlink ${quoted(at)} of the same archive`)
    }
  }
}

function inodeOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`
}

function isWithin(root: ByteString, path: ByteString): boolean {
  return root === '/' || path === root || path.startsWith(`${root}/`)
}

function lstatIfThere(path: ByteString): Stats | undefined {
  return lstatSync(bytesOf(path), { throwIfNoEntry: false })
}

function bytesOf(path: ByteString): Buffer {
  return Buffer.from(path, 'latin1')
}

function quoted(path: ByteString): string {
  return JSON.stringify(displayName(path))
}
