// Random identifiers.
import { randomBytes } from 'node:crypto'

/** 64 hex digits whose first twelve are not all decimal, so that a short id can't be read as a number (moby's rule). */
export function generateId(random: (size: number) => Buffer = fromPool): string {
  for (;;) {
    const id = random(32).toString('hex')
    if (!/^\d{12}/.test(id)) return id
  }
}

const POOL_BYTES = 4096
let pool: Buffer = Buffer.alloc(0)

/** Fetched for many at once: a call of the system's generator costs more than what else it takes to make an id. No byte is given twice. */
function fromPool(size: number): Buffer {
  if (pool.length < size) pool = randomBytes(POOL_BYTES)
  const bytes = pool.subarray(0, size)
  pool = pool.subarray(size)
  return bytes
}

/** The short form that Docker prints: twelve digits. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12)
}
