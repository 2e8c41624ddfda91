// A file or a directory with all that is in it as a tar archive, as Docker's `cp` and `export` give it: entries under a name of the caller's choice
// in the order of names, times in whole seconds, other names of a file as hard links, of the attributes file capabilities alone.
import { closeSync, fstatSync } from 'node:fs'
import { isFailure } from '../base/failure.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { BLOCK_SIZE, type ByteString, NO_XATTRS, type TarEntry } from '../wire/tar/entry.ts'
import { DEFAULT_TAR_LIMITS } from '../wire/tar/tar-parser.ts'
import { encodeTarHeader } from '../wire/tar/write-tar.ts'
import { CAPABILITY, inNoNamespace } from './file-capability.ts'
import { contentOf, openRegular } from './file-content.ts'
import { childOf, type FileFacts, factsOf, namesIn, type TreePath } from './file-facts.ts'
import type { OwnerMap } from './owner-map.ts'

export interface ArchiveRequest {
  /** Absolute, as the caller sees it; a slash or `/.` at the end follows a symlink there. */
  path: TreePath
  /** What the entry of `path` itself is called; '' puts all that is in it at the archive's root. */
  name: ByteString
  /** Whether `path`'s own entry is in the archive; that of a directory whose children stand at the root need not be. */
  hasRoot: boolean
  /** Left out: entries have the owners that files have. */
  owners?: OwnerMap | undefined
}

/** The archive's bytes in pieces; each is the caller's. What goes away or can't be read meanwhile is left out, as with any archiver. */
export function* archiveTree(request: ArchiveRequest): Generator<Buffer> {
  const archive = new TreeArchive(request.owners)
  const root = factsOf('', request.path)
  if (root !== undefined) yield* walk(archive, request, root)
  yield Buffer.alloc(2 * BLOCK_SIZE)
}

function* walk(archive: TreeArchive, { path, name, hasRoot }: ArchiveRequest, root: FileFacts): Generator<Buffer> {
  if (hasRoot) yield* archive.add(name, root)
  if (root.kind !== 'directory') return
  const stack = [{ path: path.replace(/(?<=.)\/$/, ''), name, names: namesOf(path), at: 0 }]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.names[top.at++]
    if (next === undefined) {
      stack.pop()
      continue
    }
    const child = childOf(top.path, next)
    const facts = factsIfReadable(child)
    if (facts === undefined) continue
    const childName = top.name === '' && !hasRoot ? next : `${top.name}/${next}`
    yield* archive.add(childName, facts)
    if (facts.kind === 'directory') stack.push({ path: child, name: childName, names: namesOf(child), at: 0 })
  }
}

class TreeArchive {
  /** The first name of each file that has several, by inode. */
  readonly #sources = new Map<string, ByteString>()

  readonly #owners: OwnerMap | undefined

  constructor(owners: OwnerMap | undefined) {
    this.#owners = owners
  }

  *add(name: ByteString, facts: FileFacts): Generator<Buffer> {
    if (facts.kind === 'socket') return // no archive can hold one
    const source = facts.isLinked ? this.#sources.get(facts.inode) : undefined
    if (source !== undefined) {
      const entry = entryIfReadable(name, facts, this.#owners)
      const header = entry && headerOf({ ...entry, type: 'hardlink', linkName: source })
      if (header !== undefined) yield header
      return
    }
    const entry = entryIfReadable(
      facts.kind === 'directory' && !name.endsWith('/') ? `${name}/` : name,
      facts,
      this.#owners,
    )
    if (entry === undefined) return
    if (facts.isLinked) this.#sources.set(facts.inode, name)
    if (facts.kind === 'file') yield* this.#addContent(entry, facts)
    else {
      const header = headerOf(entry)
      if (header !== undefined) yield header
    }
  }

  *#addContent(entry: TarEntry, facts: FileFacts): Generator<Buffer> {
    const fd = openIfReadable(facts)
    if (fd === undefined) return
    try {
      const { size } = fstatSync(fd)
      const header = headerOf({ ...entry, size })
      if (header === undefined) return
      yield header
      yield* contentOf(fd, size, () => {})
    } finally {
      closeSync(fd)
    }
  }
}

/** Undefined where it has gone since it was seen, or is of another kind by now. */
export function entryIfReadable(name: ByteString, facts: FileFacts, owners?: OwnerMap): TarEntry | undefined {
  return ifReadable(() => entryOf(name, facts, owners))
}

function entryOf(name: ByteString, facts: FileFacts, owners: OwnerMap | undefined): TarEntry {
  const { kind, mode, device } = facts
  const { uid, gid } = owners?.told(facts) ?? facts
  const isDevice = kind === 'character-device' || kind === 'block-device'
  const capability = kind === 'file' ? facts.xattr(CAPABILITY) : undefined
  return {
    name,
    type: kind === 'socket' ? 'file' : kind,
    linkName: kind === 'symlink' ? facts.linkTarget : '',
    mode,
    uid,
    gid,
    size: 0,
    mtime: { seconds: facts.modified.seconds, nanos: 0 },
    deviceMajor: isDevice ? device.major : 0,
    deviceMinor: isDevice ? device.minor : 0,
    xattrs: capability === undefined ? NO_XATTRS : new Map([[CAPABILITY, inNoNamespace(capability)]]),
  }
}

/** Undefined for what no reader would take, Go's and ours. */
function headerOf(entry: TarEntry): Buffer | undefined {
  const header = encodeTarHeader(entry)
  return header.length > DEFAULT_TAR_LIMITS.metadataBytesMax ? undefined : header
}

function namesOf(path: TreePath): ByteString[] {
  return ifReadable(() => namesIn('', path)) ?? []
}

function factsIfReadable(path: TreePath): FileFacts | undefined {
  return ifReadable(() => factsOf('', path))
}

function openIfReadable(facts: FileFacts): number | undefined {
  return ifReadable(() => openRegular(facts))
}

/** EINVAL is said of the target of what is no link any more, ENAMETOOLONG of what lies deeper than any path can say. */
const UNREADABLE = ['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'ELOOP', 'EIO', 'ENXIO', 'EINVAL', 'ENAMETOOLONG'] as const

function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isFailure(error, 'aborted') || hasErrno(error, ...UNREADABLE)) return undefined
    throw error
  }
}
