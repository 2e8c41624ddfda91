// Uploads in progress in a bucket: the bytes of an upload are objects named by their offsets, so that any node can go on with any upload.
import { Readable } from 'node:stream'
import { Failure } from '../../../base/failure.ts'
import type { RepositoryName, UploadId } from '../names.ts'
import * as layout from './layout.ts'
import type { AssembledPart, S3Client } from './s3-client.ts'
import type { ByteRange, OnStored } from './store.ts'

/** One object of an upload, and what an upload keeps in memory. */
const PART_BYTES = 16 * 1024 * 1024
/** S3 wants that of every part but the last. */
const COPIED_PART_MIN = 5 * 1024 * 1024
const OFFSET_DIGITS = 16

export interface Part {
  key: string
  offset: number
  size: number
  etag: string
}

function partsPath(name: RepositoryName, id: UploadId): string {
  return `${layout.uploadPath(name, id)}/parts/`
}

/** As far as they follow each other without a gap. */
export async function listParts(client: S3Client, name: RepositoryName, id: UploadId): Promise<Part[]> {
  const parts: Part[] = []
  let end = 0
  for await (const entry of client.list(partsPath(name, id))) {
    if (!('key' in entry)) continue
    const offset = Number(entry.key.slice(partsPath(name, id).length))
    if (offset !== end) break
    parts.push({ key: entry.key, offset, size: entry.size, etag: entry.etag })
    end += entry.size
  }
  return parts
}

export function sizeOf(parts: readonly Part[]): number {
  const last = parts.at(-1)
  return last === undefined ? 0 : last.offset + last.size
}

/** What is in memory when the source breaks is written still. Throws Failure('out-of-range') where another node was first. */
export async function appendParts(
  client: S3Client,
  { name, id }: { name: RepositoryName; id: UploadId },
  offset: number,
  source: AsyncIterable<Uint8Array>,
  onStored: OnStored,
): Promise<number> {
  let at = offset
  const waiting: Uint8Array[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    if (size === 0) return
    const bytes = Buffer.concat(waiting.splice(0))
    size = 0
    const key = `${partsPath(name, id)}${String(at).padStart(OFFSET_DIGITS, '0')}`
    if (!(await client.put(key, bytes, { ifNoneMatch: '*' })))
      throw new Failure('out-of-range', `upload ${id} has more than ${at} bytes`)
    at += bytes.length
    onStored(at)
  }
  try {
    for await (const part of source) {
      waiting.push(part)
      size += part.length
      if (size >= PART_BYTES) await flush()
    }
  } finally {
    await flush()
  }
  return at
}

export function readParts(client: S3Client, parts: readonly Part[], range?: ByteRange): Readable {
  return Readable.from(bytesOf(client, parts, range), { objectMode: false })
}

async function* bytesOf(client: S3Client, parts: readonly Part[], range?: ByteRange): AsyncGenerator<Uint8Array> {
  const { start, end } = range ?? { start: 0, end: sizeOf(parts) - 1 }
  for (const { key, etag, offset, size } of parts) {
    if (offset > end || offset + size <= start) continue
    const within = { start: Math.max(0, start - offset), end: Math.min(size - 1, end - offset) }
    const found = await client.get(key, within.end - within.start + 1 === size ? undefined : within, etag)
    if (found === undefined) throw new Failure('not-found', `${key} is gone`)
    yield* found as AsyncIterable<Uint8Array>
  }
}

/** Makes one object of them, inside of S3 where its rules allow that. */
export async function joinParts(client: S3Client, parts: readonly Part[], target: string): Promise<void> {
  const [only, another] = parts
  if (only === undefined) {
    await client.put(target, '')
    return
  }
  if (another === undefined) return client.copy(only, target)
  const areLarge = parts.slice(0, -1).every(({ size }) => size >= COPIED_PART_MIN)
  await client.assemble(target, areLarge ? copies(parts) : rechunked(bytesOf(client, parts)))
}

async function* copies(parts: readonly Part[]): AsyncGenerator<AssembledPart> {
  for (const { key, etag } of parts) yield { copy: { key, etag } }
}

async function* rechunked(source: AsyncIterable<Uint8Array>): AsyncGenerator<AssembledPart> {
  let waiting: Uint8Array[] = []
  let size = 0
  for await (const part of source) {
    waiting.push(part)
    size += part.length
    if (size < PART_BYTES) continue
    yield { bytes: Buffer.concat(waiting) }
    waiting = []
    size = 0
  }
  if (size > 0) yield { bytes: Buffer.concat(waiting) }
}
