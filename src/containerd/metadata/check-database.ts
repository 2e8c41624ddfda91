// LMDB maps its file and trusts it: one that is no database ends the process with a signal and no word. So it is looked at first.
import { closeSync, openSync, readSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'

/** lmdb.h: a page's header, then `MDB_meta`, which begins with the magic number; its first database's record begins with the size of a page. */
const MAGIC_AT = 24
const MAGIC = 0xbeefc0de
const PAGE_SIZE_AT = 48
const PAGE_BYTES_MAX = 65536

/** A file that is not there or empty is in order: it becomes a database. Throws `data-loss`. */
export function checkDatabase(path: string): void {
  const head = readHead(path)
  if (head.length === 0) return
  // Two pages are written in turn, so that one is always whole.
  const pageBytes = hasMagic(head, 0) ? head.readUInt32LE(PAGE_SIZE_AT) : 0
  if (pageBytes > 0 && pageBytes <= PAGE_BYTES_MAX && hasMagic(head, pageBytes)) return
  throw new Failure(
    'data-loss',
    `${path} is damaged, it is not a database: put a copy in its place, or remove it with everything beside it to begin anew`,
  )
}

function hasMagic(head: Buffer, page: number): boolean {
  return head.length >= page + PAGE_SIZE_AT + 4 && head.readUInt32LE(page + MAGIC_AT) === MAGIC
}

function readHead(path: string): Buffer {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
  try {
    const head = Buffer.alloc(2 * PAGE_BYTES_MAX)
    return head.subarray(0, readSync(file, head, 0, head.length, 0))
  } finally {
    closeSync(file)
  }
}
