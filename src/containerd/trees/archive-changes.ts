// Changes as a layer's archive (image-spec layer.md): deletions as `.wh.` files, only the last part of a way that changed, other names of a file
// as hard links. The same trees give the same bytes: entries come in the order of names, access times and the host's user names stay out.
import { closeSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import {
  BLOCK_SIZE,
  type ByteString,
  displayName,
  NO_XATTRS,
  type TarEntry,
  type TarTime,
} from '../../wire/tar/entry.ts'
import { DEFAULT_TAR_LIMITS } from '../../wire/tar/tar-parser.ts'
import { encodeTarHeader } from '../../wire/tar/write-tar.ts'
import { contentOf, openSized, READ_SIZE } from '../../trees/file-content.ts'
import { type FileFacts, factsOf, type TreePath } from '../../trees/file-facts.ts'
import { type Change, isPortable } from './walk-changes.ts'

export interface ArchiveOptions {
  /** The tree that `present` changes are of. */
  upper: string
  /** No file is younger than this (SOURCE_DATE_EPOCH). */
  modifiedMax?: TarTime
}

const PREFIX = '.wh.'
const OPAQUE = '.wh..wh..opq'
const EPOCH: TarTime = { seconds: 0, nanos: 0 }

/** The archive's bytes in pieces; each is good until the next. Throws Failure for what no layer can say. */
export function* archiveChanges(changes: Iterable<Change>, options: ArchiveOptions): Generator<Buffer> {
  const archive = new ChangeArchive(options)
  for (const change of changes) yield* archive.add(change)
  yield Buffer.alloc(2 * BLOCK_SIZE)
}

class ChangeArchive {
  readonly #options: ArchiveOptions
  readonly #buffer = Buffer.allocUnsafeSlow(READ_SIZE)
  readonly #writtenDirectories = new Set<TreePath>()
  /** The first name that each file with several names has in the archive, by inode. */
  readonly #sources = new Map<string, TreePath>()
  /** Names that nothing happened to, of files that may yet turn up under a new one. */
  readonly #unchangedNames = new Map<string, TreePath[]>()

  constructor(options: ArchiveOptions) {
    this.#options = options
  }

  *add(change: Change): Generator<Buffer> {
    switch (change.kind) {
      case 'deleted':
        yield* this.#addWhiteout(change.path)
        break
      case 'opaque':
        yield this.#header({ ...WHITEOUT, name: `${entryName(change.path)}/${OPAQUE}` })
        break
      case 'present':
        if (change.facts.kind === 'directory') {
          if (change.isChanged) yield* this.#addDirectory(change.path, change.facts)
        } else {
          yield* this.#addFile(change.path, change.facts, change.isChanged)
        }
    }
  }

  *#addWhiteout(path: TreePath): Generator<Buffer> {
    yield* this.#addParents(path)
    const slash = path.lastIndexOf('/') + 1
    yield this.#header({ ...WHITEOUT, name: entryName(`${path.slice(0, slash)}${PREFIX}${path.slice(slash)}`) })
  }

  *#addDirectory(path: TreePath, facts: FileFacts): Generator<Buffer> {
    if (this.#writtenDirectories.has(path)) return
    yield* this.#addParents(path)
    this.#writtenDirectories.add(path)
    yield this.#header({ ...this.#entryOf(path, facts), name: `${entryName(path)}/` })
  }

  *#addFile(path: TreePath, facts: FileFacts, isChanged: boolean): Generator<Buffer> {
    if (!facts.isLinked) {
      yield* this.#addContent(path, facts)
      return
    }
    const source = this.#sources.get(facts.inode)
    if (source !== undefined) {
      yield* this.#addLink(path, source, facts)
      return
    }
    const others = this.#unchangedNames.get(facts.inode) ?? []
    if (!isChanged) {
      this.#unchangedNames.set(facts.inode, [...others, path])
      return
    }
    this.#sources.set(facts.inode, path)
    this.#unchangedNames.delete(facts.inode)
    yield* this.#addContent(path, facts)
    // They would go on naming the file of the layer below, which is another one from here on.
    for (const other of others) yield* this.#addLink(other, path, facts)
  }

  *#addLink(path: TreePath, source: TreePath, facts: FileFacts): Generator<Buffer> {
    yield* this.#addParents(path)
    yield this.#header({ ...this.#entryOf(path, facts), type: 'hardlink', linkName: entryName(source) })
  }

  *#addContent(path: TreePath, facts: FileFacts): Generator<Buffer> {
    yield* this.#addParents(path)
    const entry = this.#entryOf(path, facts)
    if (facts.kind !== 'file') {
      yield this.#header(entry)
      return
    }
    const { fd, size } = openSized(facts)
    try {
      yield this.#header({ ...entry, size })
      const onShort = () => {
        throw new Failure('aborted', `/${displayName(entryName(path))}: cut short while it was read`)
      }
      yield* contentOf(fd, size, onShort, this.#buffer)
    } finally {
      closeSync(fd)
    }
  }

  /** A tool that unpacks it may not know the layers below: a directory on the way keeps its owner and mode. */
  *#addParents(path: TreePath): Generator<Buffer> {
    const missing: TreePath[] = []
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const parent = path.slice(0, at)
      if (this.#writtenDirectories.has(parent)) break
      missing.push(parent)
    }
    for (const parent of missing.reverse()) {
      const facts = factsOf(this.#options.upper, parent)
      if (facts?.kind !== 'directory')
        throw new Failure('aborted', `/${displayName(entryName(parent))}: replaced while it was read`)
      this.#writtenDirectories.add(parent)
      yield this.#header({ ...this.#entryOf(parent, facts), name: `${entryName(parent)}/` })
    }
  }

  #entryOf(path: TreePath, facts: FileFacts): TarEntry {
    const { kind, mode, uid, gid, device } = facts
    if (kind === 'socket') throw new Failure('internal', 'a socket in an archive')
    if (path.startsWith(PREFIX, path.lastIndexOf('/') + 1))
      throw new Failure(
        'invalid-argument',
        `/${displayName(entryName(path))}: a name beginning with ${PREFIX} cannot be in a layer, where it means a deletion`,
      )
    const isDevice = kind === 'character-device' || kind === 'block-device'
    return {
      name: entryName(path),
      type: kind,
      linkName: kind === 'symlink' ? facts.linkTarget : '',
      mode,
      uid,
      gid,
      size: 0,
      mtime: atMost(facts.modified, this.#options.modifiedMax),
      deviceMajor: isDevice ? device.major : 0,
      deviceMinor: isDevice ? device.minor : 0,
      xattrs: xattrsOf(facts),
    }
  }

  #header(entry: TarEntry): Buffer {
    const header = encodeTarHeader(entry)
    // No reader takes more, Go's and ours.
    if (header.length > DEFAULT_TAR_LIMITS.metadataBytesMax)
      throw new Failure('invalid-argument', `archive/tar: header field too long: /${displayName(entry.name)}`)
    return header
  }
}

const WHITEOUT: Omit<TarEntry, 'name'> = {
  type: 'file',
  linkName: '',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: EPOCH,
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: NO_XATTRS,
}

function entryName(path: TreePath): ByteString {
  return path.slice(1)
}

function atMost(time: TarTime, max: TarTime | undefined): TarTime {
  if (max === undefined) return time
  const isLater = time.seconds > max.seconds || (time.seconds === max.seconds && time.nanos > max.nanos)
  return isLater ? max : time
}

function xattrsOf(facts: FileFacts): ReadonlyMap<ByteString, Uint8Array> {
  const portable = [...facts.xattrs].filter(([name]) => isPortable(name))
  const unspeakable = portable.find(([name]) => name.includes('='))
  if (unspeakable !== undefined)
    throw new Failure(
      'invalid-argument',
      `${displayName(unspeakable[0])}: an attribute's name with = cannot be in an archive`,
    )
  return portable.length === 0 ? NO_XATTRS : new Map(portable)
}
