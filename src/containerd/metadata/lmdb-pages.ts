// Reads LMDB's file without LMDB, which maps it and trusts every number in it: a damaged page would end the process with a signal and no word.
//
// The layout is that of mdb.c, data version 2, on 64-bit little-endian machines. A page begins with number (8), transaction (8), pad (2), flags (2), then
// lower and upper end of the free room (2 each) or, where it begins a run of overflow pages, their count (4); offsets of nodes follow, counted from byte 24.
// A node is size or child (4), flags (2; the child's high bits), size of the key (2), key, data. Pages 0 and 1 are the two roots, written in turn.

const HEADER = 24
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const NO_PAGE = 0xffffffffffffffffn
const DEPTH_MAX = 32
const PAGE_BYTES = { min: 256, max: 65536 }

const BRANCH = 1
const LEAF = 2
const OVERFLOW = 4
const BIG_DATA = 1

interface Root {
  transaction: bigint
  /** Page numbers; undefined for an empty tree. */
  free: number | undefined
  main: number | undefined
  lastPage: number
  pageBytes: number
}

export interface PageReading {
  /** What is wrong; empty for a database that LMDB can be given. */
  problems: string[]
  records: Map<string, Uint8Array>
  /** Found on pages that nothing leads to, in a damaged file only: lost by the damage, or removed long ago. */
  strays: Map<string, Uint8Array>
}

/** An empty file is in order: it becomes a database. Without `wantsRecords` those of a sound file are not gathered, which takes half the time. */
export function readLmdbPages(bytes: Buffer, wantsRecords = true): PageReading {
  const reading: PageReading = { problems: [], records: new Map(), strays: new Map() }
  if (bytes.length === 0) return reading
  const pageBytes = pageBytesOf(bytes)
  if (pageBytes === undefined) return { ...reading, problems: ['it is not a database'] }
  const roots = [0, 1].map((page) => readRoot(bytes, page, pageBytes))
  const sound = roots.filter((root) => root !== undefined).sort((a, b) => (a.transaction < b.transaction ? 1 : -1))
  for (const [page, root] of roots.entries()) if (root === undefined) reading.problems.push(`page ${page} is no root`)
  const visited = new Set<number>()
  const [newest] = sound
  if (newest !== undefined) {
    const tree = new Tree(bytes, newest, visited, reading.problems)
    tree.walk(newest.main, (key, value) => {
      if (wantsRecords) reading.records.set(key.toString('utf8'), value)
    })
    tree.walk(newest.free, (key, value) => tree.checkFreeList(key, value))
  }
  if (reading.problems.length > 0) gatherStrays(bytes, pageBytes, visited, reading)
  return reading
}

function pageBytesOf(bytes: Buffer): number | undefined {
  // Where the first root is lost, the second one, which lies at a page's size, tells.
  for (let size = PAGE_BYTES.min; size <= PAGE_BYTES.max; size *= 2)
    for (const at of [0, size])
      if (
        bytes.length >= at + HEADER + 160 &&
        bytes.readUInt32LE(at + HEADER) === MAGIC &&
        bytes.readUInt32LE(at + 48) === size
      )
        return size
  return undefined
}

function readRoot(bytes: Buffer, page: number, pageBytes: number): Root | undefined {
  const at = page * pageBytes
  if (bytes.length < at + pageBytes) return undefined
  const meta = bytes.subarray(at + HEADER, at + pageBytes)
  if (meta.readUInt32LE(0) !== MAGIC || (meta.readUInt32LE(4) & 0xffff) !== DATA_VERSION) return undefined
  if (meta.readUInt32LE(24) !== pageBytes) return undefined
  const lastPage = Number(meta.readBigUInt64LE(120))
  const pageAt = (offset: number): number | undefined => {
    const number = meta.readBigUInt64LE(offset)
    return number === NO_PAGE ? undefined : Number(number)
  }
  return { transaction: meta.readBigUInt64LE(128), free: pageAt(64), main: pageAt(112), lastPage, pageBytes }
}

class Tree {
  readonly #bytes: Buffer
  readonly #root: Root
  readonly #visited: Set<number>
  readonly #problems: string[]

  constructor(bytes: Buffer, root: Root, visited: Set<number>, problems: string[]) {
    this.#bytes = bytes
    this.#root = root
    this.#visited = visited
    this.#problems = problems
  }

  walk(page: number | undefined, found: (key: Buffer, value: Buffer) => void, depth = 0): void {
    if (page === undefined) return
    const bytes = this.#take(page)
    if (bytes === undefined) return
    const flags = bytes.readUInt16LE(18)
    const nodes = depth < DEPTH_MAX && (flags === BRANCH || flags === LEAF) ? nodesOf(bytes) : undefined
    if (nodes === undefined) return this.#complain(page, 'is not a page of the tree')
    for (const [index, node] of nodes.entries()) {
      if (flags === BRANCH) {
        this.walk(node.child, found, depth + 1)
        continue
      }
      const value = node.isBig ? this.#readBig(node.data) : node.data
      if (value === undefined) this.#complain(page, `has a value in node ${index} that is not there`)
      else found(node.key, value)
    }
  }

  /** A transaction's number, then how many pages it freed, then their numbers. */
  checkFreeList(key: Buffer, value: Buffer): void {
    const count = value.length >= 8 ? Number(value.readBigUInt64LE(0)) : -1
    if (key.length !== 8 || count < 0 || value.length < 8 * (count + 1))
      return this.#complain(0, 'has a list of free pages that is cut')
    for (let index = 1; index <= count; index++) {
      const page = value.readBigInt64LE(8 * index)
      // Nought is a place that is not used, and a negative number the length of a run.
      if (page > 0 && (page < 2 || page > this.#root.lastPage))
        return this.#complain(Number(page), 'is free but does not exist')
    }
  }

  #take(page: number): Buffer | undefined {
    const { pageBytes, lastPage } = this.#root
    const bytes = this.#bytes.subarray(page * pageBytes, (page + 1) * pageBytes)
    if (page < 2 || page > lastPage || bytes.length < pageBytes || Number(bytes.readBigUInt64LE(0)) !== page) {
      this.#complain(page, 'is not there')
      return undefined
    }
    if (this.#visited.has(page)) {
      this.#complain(page, 'is named twice')
      return undefined
    }
    this.#visited.add(page)
    return bytes
  }

  #readBig(data: Buffer): Buffer | undefined {
    const run = overflowOf(this.#bytes, data, this.#root.pageBytes)
    if (run === undefined || run.last > this.#root.lastPage) return undefined
    this.#visited.add(run.first)
    return run.value
  }

  #complain(page: number, what: string): void {
    this.#problems.push(`page ${page} ${what}`)
  }
}

interface Node {
  key: Buffer
  /** Of a branch. */
  child: number
  /** Of a leaf; where `isBig`, the size of the value (4) and where it lies. */
  data: Buffer
  isBig: boolean
}

/** Undefined where any of its numbers leads outside of the page. */
function nodesOf(page: Buffer): Node[] | undefined {
  const flags = page.readUInt16LE(18)
  const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)]
  if (lower % 2 !== 0 || lower > upper || upper > page.length - HEADER) return undefined
  const nodes: Node[] = []
  for (let index = 0; index < lower / 2; index++) {
    const at = HEADER + page.readUInt16LE(HEADER + 2 * index)
    if (at < HEADER + upper || at + 8 > page.length) return undefined
    const low = page.readUInt32LE(at)
    const [nodeFlags, keySize] = [page.readUInt16LE(at + 4), page.readUInt16LE(at + 6)]
    const isBig = flags === LEAF && (nodeFlags & BIG_DATA) !== 0
    const dataAt = at + 8 + keySize
    const dataSize = flags === BRANCH ? 0 : isBig ? 24 : low
    if (dataAt + dataSize > page.length || (flags === LEAF && (nodeFlags & ~BIG_DATA) !== 0)) return undefined
    const data = isBig
      ? Buffer.concat([page.subarray(at, at + 4), page.subarray(dataAt, dataAt + 24)])
      : page.subarray(dataAt, dataAt + dataSize)
    nodes.push({ key: page.subarray(at + 8, dataAt), child: low + nodeFlags * 2 ** 32, data, isBig })
  }
  return nodes
}

/** `data`: size of the value (4), first page (8), transaction (8), number of pages (8). */
function overflowOf(
  bytes: Buffer,
  data: Buffer,
  pageBytes: number,
): { first: number; last: number; value: Buffer } | undefined {
  const size = data.readUInt32LE(0)
  const first = Number(data.readBigUInt64LE(4))
  const count = Math.ceil((size + HEADER) / pageBytes)
  const at = first * pageBytes
  if (first < 2 || at + HEADER + size > bytes.length || Number(data.readBigUInt64LE(20)) < count) return undefined
  if (Number(bytes.readBigUInt64LE(at)) !== first || (bytes.readUInt16LE(at + 18) & OVERFLOW) === 0) return undefined
  return { first, last: first + count - 1, value: bytes.subarray(at + HEADER, at + HEADER + size) }
}

/** Every leaf that the walk did not come to; of two with the same key the younger one's record. */
function gatherStrays(
  bytes: Buffer,
  pageBytes: number,
  visited: ReadonlySet<number>,
  { records, strays }: PageReading,
): void {
  const ages = new Map<string, bigint>()
  for (let page = 2; (page + 1) * pageBytes <= bytes.length; page++) {
    const leaf = bytes.subarray(page * pageBytes, (page + 1) * pageBytes)
    if (visited.has(page) || Number(leaf.readBigUInt64LE(0)) !== page || leaf.readUInt16LE(18) !== LEAF) continue
    const age = leaf.readBigUInt64LE(8)
    for (const { key, data, isBig } of nodesOf(leaf) ?? []) {
      const name = key.toString('utf8')
      const value = isBig ? overflowOf(bytes, data, pageBytes)?.value : data
      if (value === undefined || records.has(name) || (ages.get(name) ?? -1n) > age) continue
      ages.set(name, age)
      strays.set(name, value)
    }
  }
}
