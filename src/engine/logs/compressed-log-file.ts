// A rotated file of a log that was compressed: gzip, whose header says in JSON which file it was, as Docker's says when its last entry was written.
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { LogFile } from './log-files.ts'

const HEADER = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff]) // RFC 1952: deflate, with an extra field, of no system
const HAS_EXTRA = 4
const EXTRA_MAX = 1024
const CHUNK_BYTES = 128 * 1024
/** open(2): a file without a name, which goes with its last descriptor. */
const O_RDWR = 2
const O_TMPFILE = 0o20200000

export function encodeGzipHeader(metadata: { lastTime: string; inode: number }): Buffer {
  const extra = Buffer.from(JSON.stringify(metadata))
  const size = Buffer.alloc(2)
  size.writeUInt16LE(extra.length)
  return Buffer.concat([HEADER, size, extra])
}

/** Undefined where the header does not say. */
async function readInode(handle: FileHandle): Promise<number | undefined> {
  const head = Buffer.alloc(HEADER.length + 2 + EXTRA_MAX)
  const { bytesRead } = await handle.read(head, 0, head.length, 0)
  if (bytesRead < HEADER.length + 2 || !((head[3] ?? 0) & HAS_EXTRA)) return undefined
  const start = HEADER.length + 2
  const end = start + head.readUInt16LE(HEADER.length)
  if (end > bytesRead) return undefined
  try {
    const { inode } = JSON.parse(head.toString('utf8', start, end)) as { inode?: unknown }
    return typeof inode === 'number' ? inode : undefined
  } catch {
    return undefined // somebody else's extra field
  }
}

async function* chunksOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** Unpacked when it is first read from: what is asked for is mostly in the newest files. */
export class CompressedLogFile implements LogFile {
  readonly inode: number
  readonly #handle: FileHandle
  readonly #path: string
  #content: Promise<FileHandle> | undefined

  private constructor(handle: FileHandle, path: string, inode: number) {
    this.#handle = handle
    this.#path = path
    this.inode = inode
  }

  static async of(handle: FileHandle, path: string): Promise<CompressedLogFile> {
    const inode = (await readInode(handle)) ?? (await handle.stat()).ino
    return new CompressedLogFile(handle, path, inode)
  }

  async size(): Promise<number> {
    return (await (await this.#unpacked()).stat()).size
  }

  async read(buffer: Buffer, length: number, position: number): Promise<number> {
    return (await (await this.#unpacked()).read(buffer, 0, length, position)).bytesRead
  }

  async close(): Promise<void> {
    await this.#handle.close()
    await (await this.#content?.catch(() => undefined))?.close()
  }

  #unpacked(): Promise<FileHandle> {
    this.#content ??= this.#unpack()
    return this.#content
  }

  async #unpack(): Promise<FileHandle> {
    const content = await open(dirname(this.#path), O_RDWR | O_TMPFILE, 0o600)
    try {
      await pipeline(chunksOf(this.#handle), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) await content.appendFile(chunk)
      })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (!code?.startsWith('Z_')) {
        await content.close()
        throw error
      } // a damaged file is read as far as it goes
    }
    return content
  }
}
