// Makes the files of a layer from the entries of its archive, in the form that overlayfs wants for an upper directory.
// It runs on a worker thread whose root is that directory (linux/thread-root.ts): a name, a symlink or a hard link in the
// archive can mean whatever it wants, it can't mean anything outside. All calls are synchronous, since only those stay on the thread.
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { lsetxattrBytes, mknodBytes, setTimesBytes } from '../../linux/byte-path.ts'
import type { Fd, Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { displayName, type TarEntry, type TarTime } from '../../wire/tar/entry.ts'
import type { TarSink } from '../../wire/tar/tar-parser.ts'
import { fsPath, type LayerPath, layerPath, parentOf, parseWhiteout } from './layer-path.ts'

export interface LayerWriterOptions {
  kernel: Kernel
  /** Attributes of a directory of this path in the layers below, for parents that the archive does not mention. */
  findLowerDirectory(path: LayerPath): Stats | undefined
  /** The directory holds the layers below too: a deletion is done here and now, and not written down for overlayfs. */
  isWhole: boolean
}

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW
const SPECIAL_BITS = 0o7000
const SETGID = 0o2000
const DEFAULT_ACL = 'system.posix_acl_default'
const OPAQUE = 'trusted.overlay.opaque'

/** Names of directories whose times wait for the end; beyond, times are set at once and may be touched again by later content. */
const DIRECTORY_NAMES_BYTES_MAX = 64 * 1024 * 1024
/** What an entry of the map takes beside its name. */
const DIRECTORY_ENTRY_BYTES = 100

/** A TarSink. Call `finish` after the last entry, or `abandon` when anything failed. */
export class LayerWriter implements TarSink {
  readonly #kernel: Kernel
  readonly #options: LayerWriterOptions
  /** A directory's time is what it was packed with, not when its last child was made: set when all is there. */
  readonly #directoryTimes = new Map<LayerPath, TarTime>()
  #directoryNamesBytes = 0
  /** Under a directory with set-group-ID or a default ACL new files take group or mode from it: neither can be taken for granted then. */
  #inherits = false
  /** What this layer has put into a whole tree that others had filled before: an opaque directory keeps it, and nothing else. */
  readonly #unpacked: Set<LayerPath> | undefined
  #path: LayerPath = '/'
  #entry: TarEntry | undefined
  #fd: Fd | undefined

  constructor(options: LayerWriterOptions) {
    this.#kernel = options.kernel
    this.#options = options
    if (options.isWhole && readdirSync('/').length > 0) this.#unpacked = new Set()
  }

  /** What is being made at this moment, for error messages: `etc/passwd`. */
  get current(): string {
    return displayName(this.#path.slice(1))
  }

  entry(entry: TarEntry): void {
    const path = layerPath(entry.name)
    this.#path = path
    this.#entry = entry
    if (path === '/') return // the directory itself belongs to the snapshotter
    const whiteout = parseWhiteout(path)
    if (whiteout?.kind === 'hide') this.#hide(whiteout.path)
    else if (whiteout?.kind === 'opaque') this.#makeOpaque(whiteout.directory)
    else if (!whiteout) this.#make(path, entry)
    if (!whiteout) this.#unpacked?.add(path)
  }

  data(bytes: Buffer): void {
    if (this.#fd === undefined) return
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at)
  }

  end(): void {
    if (this.#fd === undefined || !this.#entry) return
    const { mtime } = this.#entry
    // The attributes come after the content: a write clears file capabilities.
    this.#setAttributes(this.#fd, this.#entry)
    if (mtime.nanos === 0) futimesSync(this.#fd, mtime.seconds, mtime.seconds)
    else this.#setTimes(this.#path, mtime)
    this.abandon()
  }

  finish(): void {
    for (const [path, time] of this.#directoryTimes) {
      this.#path = path
      this.#setTimes(path, time)
    }
    this.#directoryTimes.clear()
  }

  abandon(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #make(path: LayerPath, entry: TarEntry): void {
    const target = fsPath(path)
    switch (entry.type) {
      case 'file':
        this.#fd = this.#create(path, () => openSync(target, CREATE, entry.mode & 0o777))
        return
      case 'directory':
        this.#makeDirectory(path, entry)
        return
      case 'hardlink': {
        const existing = fsPath(layerPath(entry.linkName))
        this.#create(path, () => linkSync(existing, target))
        return // owner, mode and times are those of the file it names
      }
      case 'symlink':
        this.#create(path, () => symlinkSync(fsPath(entry.linkName), target))
        break
      default:
        this.#makeNode(path, entry)
        break
    }
    if (this.#mustChown(entry)) lchownSync(target, entry.uid, entry.gid)
    // The mode of a node passed through mknod; a change of owner strips set-user-ID.
    if (entry.type !== 'symlink' && this.#mustChmod(entry)) chmodSync(target, entry.mode)
    this.#setXattrs(path, entry)
    this.#setTimes(path, entry.mtime)
  }

  #makeNode(path: LayerPath, entry: TarEntry): void {
    const kinds = { 'character-device': constants.S_IFCHR, 'block-device': constants.S_IFBLK, fifo: constants.S_IFIFO }
    const kind = kinds[entry.type as keyof typeof kinds]
    const device = { major: entry.deviceMajor, minor: entry.deviceMinor }
    this.#create(path, () => mknodBytes(bytesOf(path), kind | (entry.mode & 0o777), device))
  }

  #makeDirectory(path: LayerPath, entry: TarEntry): void {
    const target = fsPath(path)
    let coversWhiteout = false
    const exists = this.#create(
      path,
      () => {
        mkdirSync(target, { mode: entry.mode & 0o1777 })
        return false
      },
      (stats) => {
        if (stats.isDirectory()) return true // the same directory again: new attributes, old content
        coversWhiteout = isWhiteout(stats)
        return undefined
      },
    )
    const inheritsGroup = this.#inherits
    if (entry.mode & SETGID || entry.xattrs.has(DEFAULT_ACL)) this.#inherits = true
    if (exists || this.#mustChown(entry)) lchownSync(target, entry.uid, entry.gid)
    if (exists || inheritsGroup || entry.mode & SPECIAL_BITS) chmodSync(target, entry.mode)
    if (coversWhiteout) this.#makeOpaque(path)
    if (entry.xattrs.size > 0)
      this.#withDirectory(target, (fd) => this.#setAttributes(fd, { ...entry, mode: 0, uid: 0, gid: 0 }, false))
    this.#setTimesLater(path, entry.mtime)
  }

  #setTimesLater(path: LayerPath, time: TarTime): void {
    this.#directoryNamesBytes += path.length + DIRECTORY_ENTRY_BYTES
    if (this.#directoryNamesBytes <= DIRECTORY_NAMES_BYTES_MAX) this.#directoryTimes.set(path, time)
    else this.#setTimes(path, time)
  }

  /** overlayfs hides a name of the layers below behind a character device 0:0. */
  #hide(path: LayerPath): void {
    this.#path = path
    if (this.#options.isWhole) {
      this.#makeDirectories(parentOf(path))
      this.#remove(path)
      return
    }
    // A whiteout speaks of the layers below: what this very layer has at that name stays, but shows nothing from below.
    this.#create(
      path,
      () => mknodBytes(bytesOf(path), constants.S_IFCHR, { major: 0, minor: 0 }),
      (stats) => {
        if (stats.isDirectory()) this.#makeOpaque(path)
        return null
      },
    )
  }

  #makeOpaque(directory: LayerPath): void {
    if (this.#options.isWhole) {
      this.#makeDirectories(directory)
      this.#removeOthers(directory)
      return
    }
    const mark = () =>
      this.#withDirectory(fsPath(directory), (fd) => this.#kernel.fsetxattr(fd, OPAQUE, Buffer.from('y')))
    try {
      mark()
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error
      this.#makeDirectories(directory)
      mark()
    }
  }

  /** That nothing is there, or no directory to look into, is as good. */
  #remove(path: LayerPath): void {
    try {
      rmSync(fsPath(path), { recursive: true, force: true })
    } catch (error) {
      if (!hasErrno(error, 'ENOTDIR')) throw error
    }
  }

  #removeOthers(directory: LayerPath): void {
    if (this.#unpacked === undefined) return // there was nothing before this layer
    for (const bytes of readdirSync(fsPath(directory), { encoding: 'buffer' })) {
      const path = `${directory === '/' ? '' : directory}/${bytes.toString('latin1')}`
      if (!this.#unpacked.has(path)) this.#remove(path)
      else if (lstatSync(fsPath(path)).isDirectory()) this.#removeOthers(path)
    }
  }

  /**
   * Runs `act`, which creates `path`. Where something is in the way, `keep` may answer what the call is to return instead;
   * otherwise it is removed. Missing parents are made. Layers have few of both, so the way without either costs nothing more.
   */
  #create<T>(path: LayerPath, act: () => T, keep?: (stats: Stats) => T | null | undefined): T {
    for (let attempt = 0; ; attempt++) {
      try {
        return act()
      } catch (error) {
        if (attempt >= 2) throw error
        if (hasErrno(error, 'EEXIST')) {
          const stats = lstatSync(fsPath(path))
          const kept = keep?.(stats)
          if (kept !== undefined) return kept as T
          rmSync(fsPath(path), { recursive: true, force: true })
        } else if (hasErrno(error, 'ENOENT') && parentOf(path) !== '/') {
          this.#makeDirectories(parentOf(path))
        } else {
          throw error
        }
      }
    }
  }

  /** Like mkdir -p; a symlink to nowhere on the way gets its target made, inside this root. */
  #makeDirectories(path: LayerPath, depth = 0): void {
    let made = ''
    for (const part of path.slice(1).split('/')) {
      made += `/${part}`
      const target = fsPath(made)
      try {
        mkdirSync(target, { mode: 0o755 })
      } catch (error) {
        if (!hasErrno(error, 'EEXIST')) throw error
        if (depth < 40 && lstatSync(target).isSymbolicLink() && !statSync(target, { throwIfNoEntry: false })) {
          const link = readlinkSync(target, 'latin1')
          this.#makeDirectories(layerPath(link.startsWith('/') ? link : `${parentOf(made)}/${link}`), depth + 1)
        }
        continue
      }
      const lower = this.#options.findLowerDirectory(made)
      if (!lower) continue
      lchownSync(target, lower.uid, lower.gid)
      chmodSync(target, lower.mode & 0o7777)
      this.#setTimesLater(made, { seconds: Math.floor(lower.mtimeMs / 1000), nanos: 0 })
      if (lower.mode & SETGID) this.#inherits = true
    }
  }

  /** Owner, special mode bits and extended attributes, in the only order in which the kernel keeps them all. */
  #setAttributes(fd: Fd, entry: TarEntry, owner = true): void {
    if (owner && this.#mustChown(entry)) fchownSync(fd, entry.uid, entry.gid)
    if (owner && this.#mustChmod(entry)) fchmodSync(fd, entry.mode)
    for (const [name, value] of entry.xattrs)
      if (isWanted(name)) tolerantly(name, () => this.#kernel.fsetxattr(fd, displayName(name), value))
  }

  #setXattrs(path: LayerPath, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs)
      if (isWanted(name)) tolerantly(name, () => lsetxattrBytes(bytesOf(path), displayName(name), value))
  }

  #withDirectory(target: string | Buffer, act: (fd: Fd) => void): void {
    const fd = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      act(fd)
    } finally {
      closeSync(fd)
    }
  }

  #mustChown(entry: TarEntry): boolean {
    return entry.uid !== 0 || entry.gid !== 0 || this.#inherits
  }

  #mustChmod(entry: TarEntry): boolean {
    return (entry.mode & SPECIAL_BITS) !== 0 || this.#inherits
  }

  #setTimes(path: LayerPath, time: TarTime): void {
    if (time.nanos === 0) {
      lutimesSync(fsPath(path), time.seconds, time.seconds)
      return
    }
    setTimesBytes(bytesOf(path), time) // Node's times are doubles, which lose nanoseconds
  }
}

/** `lower` may be asked for the attributes of directories; descriptors are opened before the thread changes its root. */
export function lowerDirectoryFinder(kernel: Kernel, lowers: readonly Fd[]): (path: LayerPath) => Stats | undefined {
  return (path) => {
    for (const lower of lowers) {
      try {
        const fd = kernel.openat2(lower, displayName(path.slice(1)), {
          flags: O_PATH | constants.O_DIRECTORY,
          resolve: RESOLVE_IN_ROOT,
        })
        try {
          return fstatSync(fd)
        } finally {
          kernel.close(fd)
        }
      } catch (error) {
        if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
      }
    }
    return undefined
  }
}

const O_PATH = 0x200000
const RESOLVE_IN_ROOT = 0x10

function bytesOf(path: LayerPath): Buffer {
  return Buffer.from(path, 'latin1')
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0
}

/** overlayfs's own attributes would let a layer redirect names and hide files of others. */
function isWanted(name: string): boolean {
  return !name.startsWith('trusted.overlay.') && !name.startsWith('user.overlay.')
}

/** A file system without attributes, and `user.` ones on what may not have them, are no reason to refuse an image. */
function tolerantly(name: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    if (hasErrno(error, 'EOPNOTSUPP') || (name.startsWith('user.') && hasErrno(error, 'EPERM'))) return
    throw error
  }
}
