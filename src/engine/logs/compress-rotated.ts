// Compresses what a container's shim has rotated. The shim goes on meanwhile: a file is found again by its inode when its name is exchanged, under a lock
// that the shim does not wait for.
import { closeSync, openSync, readdirSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { crc32, createDeflateRaw } from 'node:zlib'
import { pipeline } from 'node:stream/promises'
import type { Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import { encodeGzipHeader } from './compressed-log-file.ts'

const DRAFT_SUFFIX = '.compressing'
const CHUNK_BYTES = 256 * 1024
const LOCK_EX = 2
const LOCK_NB = 4
const LOCK_ATTEMPTS = 100
const LOCK_PAUSE_MS = 10
/** A container that rotates faster than that is left to the next rotation. */
const PASSES_MAX = 4

/**
 * Every rotated file of the log at `path` that is not compressed yet, the oldest first. One at a time for each log. A crash leaves a draft, which the next
 * one replaces, or both forms of a file, of which readers take the first.
 */
export async function compressRotated(kernel: Pick<Kernel, 'flock'>, path: string): Promise<void> {
  try {
    // The shim may move names up meanwhile, past one that was looked at.
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      const numbers = rotatedNumbers(path)
      for (const number of numbers) await compressFile(kernel, path, number)
      if (numbers.length === 0) return
    }
  } catch (error) {
    rmSync(`${path}${DRAFT_SUFFIX}`, { force: true }) // on a full disk it is in the way of everybody else
    throw error
  }
}

/** By what is there: `max-file` may be any number. */
function rotatedNumbers(path: string): number[] {
  const name = `${basename(path)}.`
  return readdirSync(dirname(path))
    .flatMap((file) => (file.startsWith(name) ? (/^[1-9]\d{0,9}$/.exec(file.slice(name.length)) ?? []) : []))
    .map(Number)
    .sort((a, b) => b - a)
}

async function compressFile(kernel: Pick<Kernel, 'flock'>, path: string, number: number): Promise<void> {
  const draft = `${path}${DRAFT_SUFFIX}`
  await using source = await open(`${path}.${number}`, 'r').catch(ignoreMissing)
  if (source === undefined) return // rotated away meanwhile
  const { ino: inode, mtime } = await source.stat()
  await using target = await open(draft, 'w', 0o640)
  await target.appendFile(encodeGzipHeader({ lastTime: mtime.toISOString(), inode }))
  let checksum = 0
  let size = 0
  const chunks = async function* (): AsyncGenerator<Buffer> {
    for (;;) {
      const { bytesRead, buffer } = await source.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, size)
      if (bytesRead === 0) return
      const chunk = buffer.subarray(0, bytesRead)
      checksum = crc32(chunk, checksum)
      size += bytesRead
      yield chunk
    }
  }
  await pipeline(chunks(), createDeflateRaw(), async (packed: AsyncIterable<Buffer>) => {
    for await (const chunk of packed) await target.appendFile(chunk)
  })
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(checksum, 0)
  trailer.writeUInt32LE(size % 2 ** 32, 4)
  await target.appendFile(trailer)
  await target.datasync() // before the other goes
  await exchange(kernel, path, { draft, inode })
}

/** The draft takes the place of the file, wherever that has been renamed to. */
async function exchange(
  kernel: Pick<Kernel, 'flock'>,
  path: string,
  { draft, inode }: { draft: string; inode: number },
): Promise<void> {
  const directory = await lockDirectory(kernel, dirname(path))
  try {
    const isIt = (number: number) => statSync(`${path}.${number}`, { throwIfNoEntry: false })?.ino === inode
    // Not counted upwards from where it was: between two names there may be one that is compressed already.
    const number = directory === undefined ? undefined : rotatedNumbers(path).find(isIt)
    if (number === undefined) return rmSync(draft, { force: true })
    renameSync(draft, `${path}.${number}.gz`)
    unlinkSync(`${path}.${number}`)
  } finally {
    if (directory !== undefined) closeSync(directory)
  }
}

/** Undefined: the shim has held it for so long that something is wrong with it. */
async function lockDirectory(kernel: Pick<Kernel, 'flock'>, path: string): Promise<number | undefined> {
  const directory = openSync(path, 'r')
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    try {
      kernel.flock(directory, LOCK_EX | LOCK_NB)
      return directory
    } catch (error) {
      if (!hasErrno(error, 'EAGAIN')) {
        closeSync(directory)
        throw error
      }
    }
    await delay(LOCK_PAUSE_MS)
  }
  closeSync(directory)
  return undefined
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
