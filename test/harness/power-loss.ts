// What a disk may hold after power loss, given what a program has asked of it. Pure: events in, directory trees out.
//
// What the model takes for granted, and nothing else:
//   * what fsync or fdatasync of a file has returned for is there, and so is a write to a descriptor that was opened with O_DSYNC;
//   * any other write is there, or not, or its first sectors (of 512 bytes) are; where it is not, the file may be short or hold noughts;
//   * fsync of a directory keeps the names that were made, moved and removed in it;
//   * `journaled`: names reach the disk in the order in which they were changed, as in ext4, XFS and Btrfs; a file's fsync keeps its name, too;
//   * `loose`: any name that was not synced may be there or not, one without regard to the other; a rename is done or not done.

export type DiskEvent = { startMs: number; endMs: number } & DiskChange

export type DiskChange =
  | { kind: 'create' | 'mkdir' | 'unlink' | 'rmdir' | 'sync'; path: string }
  | { kind: 'rename'; path: string; to: string }
  | { kind: 'write'; path: string; at: number; data: Buffer; isSync: boolean }
  | { kind: 'truncate'; path: string; size: number }

export type Order = 'journaled' | 'loose'

/** By path; undefined for a directory. */
export type DiskImage = Map<string, Buffer | undefined>

const SECTOR = 512

interface DataChange {
  at: number
  /** Undefined: the file is cut at `at`. */
  data: Buffer | undefined
  isDurable: boolean
}

interface NameChange {
  kind: 'link' | 'unlink' | 'rename'
  path: string
  to: string
  inode: number
  isDurable: boolean
}

export class Disk {
  readonly #order: Order
  /** As the program sees it. */
  readonly #names = new Map<string, number>()
  readonly #data = new Map<number, DataChange[]>()
  readonly #directories = new Set<number>()
  readonly #changes: NameChange[] = []
  #nextInode = 1

  constructor(order: Order) {
    this.#order = order
  }

  apply(event: DiskChange): void {
    const { path } = event
    switch (event.kind) {
      case 'create':
      case 'mkdir':
        if (!this.#names.has(path)) this.#create(path, event.kind === 'mkdir')
        return
      case 'unlink':
      case 'rmdir':
        return this.#change({ kind: 'unlink', path, to: '', inode: this.#inodeOf(path), isDurable: false })
      case 'rename':
        return this.#change({ kind: 'rename', path, to: event.to, inode: this.#inodeOf(path), isDurable: false })
      case 'write':
        this.#dataOf(path)?.push({ at: event.at, data: event.data, isDurable: event.isSync })
        return
      case 'truncate':
        this.#dataOf(path)?.push({ at: event.size, data: undefined, isDurable: false })
        return
      case 'sync':
        return this.#sync(path)
    }
  }

  /** One of the states that the disk may be in. @param chance between 0 and 1, each time it is asked. */
  image(chance: () => number): DiskImage {
    const names = new Map<string, number>()
    const kept = this.#keptChanges(chance)
    for (const change of kept) applyName(names, change)
    const image: DiskImage = new Map()
    for (const [path, inode] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!hasParents(path, image)) continue
      image.set(path, this.#directories.has(inode) ? undefined : contentOf(this.#data.get(inode) ?? [], chance))
    }
    return image
  }

  #keptChanges(chance: () => number): NameChange[] {
    if (this.#order === 'loose') return this.#changes.filter(({ isDurable }) => isDurable || chance() < 0.5)
    const durable = this.#changes.findLastIndex(({ isDurable }) => isDurable) + 1
    return this.#changes.slice(0, durable + Math.floor(chance() * (this.#changes.length - durable + 1)))
  }

  #create(path: string, isDirectory: boolean): void {
    const inode = this.#nextInode++
    if (isDirectory) this.#directories.add(inode)
    else this.#data.set(inode, [])
    this.#change({ kind: 'link', path, to: '', inode, isDurable: false })
  }

  #change(change: NameChange): void {
    this.#changes.push(change)
    applyName(this.#names, change)
  }

  #inodeOf(path: string): number {
    return this.#names.get(path) ?? 0
  }

  #dataOf(path: string): DataChange[] | undefined {
    return this.#data.get(this.#inodeOf(path))
  }

  #sync(path: string): void {
    const inode = this.#inodeOf(path)
    const isDirectory = this.#directories.has(inode) || path === ''
    for (const change of this.#data.get(inode) ?? []) change.isDurable = true
    const isMeant = (change: NameChange) =>
      isDirectory
        ? parentOf(change.path) === path || (change.to !== '' && parentOf(change.to) === path)
        : change.inode === inode
    if (this.#order === 'loose') {
      if (isDirectory) for (const change of this.#changes) if (isMeant(change)) change.isDurable = true
      return
    }
    const last = this.#changes.findLastIndex(isMeant)
    for (const change of this.#changes.slice(0, last + 1)) change.isDurable = true
  }
}

function applyName(names: Map<string, number>, { kind, path, to, inode }: NameChange): void {
  if (kind === 'link') names.set(path, inode)
  else if (kind === 'unlink') names.delete(path)
  else if (names.get(path) === inode) move(names, path, to)
  else names.set(to, inode) // the new name alone is on disk
}

/** A directory takes what is in it along. */
function move(names: Map<string, number>, from: string, to: string): void {
  for (const [path, inode] of [...names])
    if (path === from || path.startsWith(`${from}/`)) {
      names.delete(path)
      names.set(`${to}${path.slice(from.length)}`, inode)
    }
}

function hasParents(path: string, image: DiskImage): boolean {
  const parent = parentOf(path)
  return parent === '' || (image.has(parent) && image.get(parent) === undefined)
}

/** '' for what lies in the root. */
function parentOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
}

function contentOf(changes: readonly DataChange[], chance: () => number): Buffer {
  let content: Buffer = Buffer.alloc(0)
  for (const { at, data, isDurable } of changes) {
    const luck = isDurable ? 1 : chance()
    if (data === undefined) {
      if (luck >= 0.5) content = resized(content, at)
      continue
    }
    const sectors = Math.ceil(data.length / SECTOR)
    const kept =
      luck >= 0.6 ? data.length : luck < 0.3 ? 0 : Math.min(data.length, Math.floor(chance() * sectors) * SECTOR)
    // The size may be on disk though the bytes are not.
    const isSized = kept > 0 || (!isDurable && chance() < 0.5)
    if (isSized && content.length < at + data.length)
      content = resized(content, kept === data.length || chance() < 0.5 ? at + data.length : at + kept)
    data.copy(content, at, 0, Math.min(kept, Math.max(0, content.length - at)))
  }
  return content
}

function resized(content: Buffer, size: number): Buffer {
  return size <= content.length
    ? Buffer.from(content.subarray(0, size))
    : Buffer.concat([content, Buffer.alloc(size - content.length)])
}
