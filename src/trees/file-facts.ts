// What a tree says about one file, to the nanosecond and the byte. It may change at any moment: a container can be writing to the tree.
import { type BigIntStats, constants, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { lgetxattrBytes, llistxattrBytes } from '../linux/byte-path.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import type { ByteString, TarEntryType, TarTime } from '../wire/tar/entry.ts'

/** Absolute, without `.`, `..` or empty parts; `/` is a tree's root. */
export type TreePath = ByteString

export type FileKind = TarEntryType | 'socket'

const KINDS: Record<number, FileKind> = {
  [constants.S_IFREG]: 'file',
  [constants.S_IFDIR]: 'directory',
  [constants.S_IFLNK]: 'symlink',
  [constants.S_IFCHR]: 'character-device',
  [constants.S_IFBLK]: 'block-device',
  [constants.S_IFIFO]: 'fifo',
  [constants.S_IFSOCK]: 'socket',
}

export class FileFacts {
  readonly kind: FileKind
  readonly stats: BigIntStats
  /** Where the file is, with the name of the tree in front. */
  readonly location: Buffer
  #xattrs: ReadonlyMap<ByteString, Buffer> | undefined
  #linkTarget: ByteString | undefined

  constructor(location: Buffer, stats: BigIntStats) {
    const kind = KINDS[Number(stats.mode) & constants.S_IFMT]
    if (kind === undefined) throw new Error(`a file of mode ${stats.mode.toString(8)}`)
    this.kind = kind
    this.stats = stats
    this.location = location
  }

  get mode(): number {
    return Number(this.stats.mode) & 0o7777
  }

  get uid(): number {
    return Number(this.stats.uid)
  }

  get gid(): number {
    return Number(this.stats.gid)
  }

  /** Has other names. Directories have none, whatever their count says. */
  get isLinked(): boolean {
    return this.kind !== 'directory' && this.stats.nlink > 1n
  }

  get inode(): string {
    return `${this.stats.dev}:${this.stats.ino}`
  }

  get modified(): TarTime {
    return timeOf(this.stats.mtimeNs)
  }

  get accessed(): TarTime {
    return timeOf(this.stats.atimeNs)
  }

  /** glibc's major and minor. */
  get device(): { major: number; minor: number } {
    const { rdev } = this.stats
    return {
      major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)),
      minor: Number((rdev & 0xffn) | ((rdev >> 12n) & ~0xffn)),
    }
  }

  get linkTarget(): ByteString {
    this.#linkTarget ??= readlinkSync(this.location, { encoding: 'buffer' }).toString('latin1')
    return this.#linkTarget
  }

  /** One attribute, asked for by itself. */
  xattr(name: ByteString): Buffer | undefined {
    return lgetxattrBytes(this.location, Buffer.from(name, 'latin1'))
  }

  /** All that the kernel lists, by name, read once. */
  get xattrs(): ReadonlyMap<ByteString, Buffer> {
    this.#xattrs ??= readXattrs(this.location)
    return this.#xattrs
  }
}

/** Undefined where nothing is there. `tree` is where the tree lies for this thread: `/upper`, or '' where it is all that the thread sees. */
export function factsOf(tree: string, path: TreePath): FileFacts | undefined {
  const location = locationOf(tree, path)
  try {
    return new FileFacts(location, lstatSync(location, { bigint: true }))
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** The names in a directory, in the order of their bytes. */
export function namesIn(tree: string, path: TreePath): ByteString[] {
  const names = readdirSync(locationOf(tree, path), { encoding: 'buffer' })
  return names.map((name) => name.toString('latin1')).sort()
}

export function locationOf(tree: string, path: TreePath): Buffer {
  return Buffer.from(path === '/' && tree !== '' ? tree : `${tree}${path}`, 'latin1')
}

export function childOf(directory: TreePath, name: ByteString): TreePath {
  return directory === '/' ? `/${name}` : `${directory}/${name}`
}

function timeOf(timeNs: bigint): TarTime {
  const nanos = ((timeNs % BILLION) + BILLION) % BILLION // a time before 1970 has a positive rest
  return { seconds: Number((timeNs - nanos) / BILLION), nanos: Number(nanos) }
}

const BILLION = 1_000_000_000n

function readXattrs(location: Buffer): ReadonlyMap<ByteString, Buffer> {
  const found = new Map<ByteString, Buffer>()
  for (const name of llistxattrBytes(location)) {
    const value = lgetxattrBytes(location, Buffer.from(name, 'latin1'))
    if (value !== undefined) found.set(name, value)
  }
  return found
}
