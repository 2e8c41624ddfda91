// One upload: bytes are hashed while they are written, and nothing becomes a blob before size and digest are right.
import { createHash, type Hash } from 'node:crypto'
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { chmod, type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { replaceFileSync, syncDirectory } from '../../base/atomic-file.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { type Status, StatusSchema } from '../../gen/services/content_pb.ts'
import { errnoText } from '../../linux/kernel-error.ts'
import { type Digest, parseDigest, splitDigest } from '../../oci/digest.ts'
import type { WriteRequest } from './content-store.ts'
import { failpoint } from '../failpoints.ts'

interface IngestRecord {
  namespace: string
  ref: string
  startedAtMs: number
  totalBytes: number
  expected: string
}

/** Read back at a time. */
const PIECE_BYTES = 1 << 20

export class Ingest {
  readonly request: WriteRequest
  readonly #directory: string
  readonly #file: FileHandle
  readonly #release: () => void
  readonly #record: IngestRecord
  #hash: Hash
  #size: number
  #updatedAtMs = Date.now()
  /** Of what somebody else has written and hashed. */
  #known: Digest | undefined
  #isClosed = false
  /** Of what is read back; there once something is. */
  #piece: Buffer | undefined

  private constructor(
    directory: string,
    request: WriteRequest,
    state: { file: FileHandle; record: IngestRecord; hash: Hash; size: number; release: () => void },
  ) {
    this.#directory = directory
    this.request = request
    this.#file = state.file
    this.#record = state.record
    this.#hash = state.hash
    this.#size = state.size
    this.#release = state.release
  }

  /** Use ContentStore.openIngest, which holds the lock. `release` is called once, when the ingest is closed. */
  static async open(directory: string, request: WriteRequest, release: () => void): Promise<Ingest> {
    const record = loadOrCreate(directory, request)
    const path = join(directory, 'data')
    const hash = createHash(algorithmOf(request.expected))
    let size = 0
    try {
      for await (const chunk of createReadStream(path)) {
        hash.update(chunk as Buffer)
        size += (chunk as Buffer).length
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    const file = await open(path, 'a+', 0o600)
    failpoint('ingest.opened')
    return new Ingest(directory, request, { file, record, hash, size, release })
  }

  get sizeBytes(): number {
    return this.#size
  }

  get startedAtMs(): number {
    return this.#record.startedAtMs
  }

  get updatedAtMs(): number {
    return this.#updatedAtMs
  }

  get totalBytes(): number {
    return this.request.totalBytes || this.#record.totalBytes
  }

  /** Of what has been written so far. */
  digest(): Digest {
    if (this.#known !== undefined) return this.#known
    return `${algorithmOf(this.request.expected)}:${this.#hash.copy().digest('hex')}` as Digest
  }

  async write(data: Uint8Array): Promise<void> {
    const first = this.#file.write(data) // by another thread, while this one hashes
    first.catch(() => {}) // awaited below
    this.#hash.update(data)
    try {
      for (let at = (await first).bytesWritten; at < data.length; )
        at += (await this.#file.write(data, at)).bytesWritten
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException
      const text = typeof errno === 'number' ? errnoText(Math.abs(errno)) : messageOf(error)
      throw new Failure('resource-exhausted', `write ${this.request.ref}: ${text}`, { cause: error })
    }
    failpoint('ingest.written')
    this.#size += data.length
    this.#updatedAtMs = Date.now()
  }

  /** The client has appended to the file itself, up to there; what nobody told of is behind it. Throws `data-loss` where it has not. */
  async takeAppended(end: number): Promise<void> {
    this.#piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES)
    while (this.#size < end) {
      const { bytesRead } = await this.#file.read(this.#piece, 0, Math.min(PIECE_BYTES, end - this.#size), this.#size)
      if (bytesRead === 0)
        throw new Failure('data-loss', `${JSON.stringify(this.request.ref)} ends at ${this.#size}, not at ${end}`)
      this.#hash.update(this.#piece.subarray(0, bytesRead))
      failpoint('ingest.written')
      this.#size += bytesRead
    }
    this.#updatedAtMs = Date.now()
  }

  /** Where a thread of ours may write in this one's place, from the start; `wrote` is to follow, and in between nothing else. */
  get output(): number {
    return this.#file.fd
  }

  /** @param written all of it, and its SHA-256. */
  wrote(written: { digest: string; sizeBytes: number }): void {
    this.#known = parseDigest(written.digest)
    this.#size = written.sizeBytes
    this.#updatedAtMs = Date.now()
  }

  /** Starts over. */
  async truncate(): Promise<void> {
    await this.#file.truncate(0)
    this.#known = undefined
    this.#hash = createHash(algorithmOf(this.request.expected))
    this.#size = 0
  }

  /** Throws `failed-precondition` where the bytes are not the expected ones; they are thrown away then, for no resumption can mend them. */
  async verify(expectations: { sizeBytes: number; digest: Digest | undefined }): Promise<Digest> {
    const { ref, expected } = this.request
    const wanted = expectations.digest ?? expected
    const wantedSize = expectations.sizeBytes
    if (wantedSize > 0 && wantedSize !== this.#size)
      throw new Failure(
        'failed-precondition',
        `${JSON.stringify(ref)} failed size validation: ${this.#size} != ${wantedSize}: failed precondition`,
      )
    // No more than what was hashed becomes a blob.
    if (this.#piece !== undefined && (await this.#file.stat()).size > this.#size) await this.#file.truncate(this.#size)
    const digest = await this.#digestAs(wanted)
    if (wanted !== undefined && wanted !== digest) {
      await this.truncate()
      throw new Failure(
        'failed-precondition',
        `unexpected commit digest ${digest}, expected ${wanted}: failed precondition`,
        { cause: ref },
      )
    }
    return digest
  }

  /** The bytes are under `path` afterwards, on the disk where that is wanted. The ingest's record stays until it is discarded. */
  async moveTo(path: string, { isDurable }: { isDurable: boolean }): Promise<void> {
    if (isDurable) await this.#file.sync()
    failpoint('content.commit.synced')
    const data = join(this.#directory, 'data')
    await chmod(data, 0o444)
    await rename(data, path)
    failpoint('content.commit.renamed')
    if (isDurable) await syncDirectory(dirname(path))
    failpoint('content.commit.directory-synced')
  }

  /** Nothing of the upload stays. */
  async discard(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
    await this.close()
  }

  /** Ends the writing; what was written stays and can be resumed under the same ref. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#file.close().catch(() => {}) // nothing is buffered: the bytes are where they are
    this.#release()
  }

  async #digestAs(wanted: Digest | undefined): Promise<Digest> {
    const mine = this.digest()
    if (wanted === undefined || algorithmOf(wanted) === splitDigest(mine).algorithm) return mine
    const hash = createHash(algorithmOf(wanted))
    for await (const chunk of createReadStream(join(this.#directory, 'data'))) hash.update(chunk as Buffer)
    return `${algorithmOf(wanted)}:${hash.digest('hex')}` as Digest
  }
}

function algorithmOf(digest: Digest | undefined): 'sha256' | 'sha512' {
  return digest === undefined ? 'sha256' : splitDigest(digest).algorithm
}

function loadOrCreate(directory: string, request: WriteRequest): IngestRecord {
  const existing = readRecord(directory)
  if (existing !== undefined) {
    if (request.totalBytes > 0 && existing.totalBytes > 0 && request.totalBytes !== existing.totalBytes)
      throw new Failure(
        'failed-precondition',
        `provided total differs from status: ${request.totalBytes} != ${existing.totalBytes}: failed precondition`,
      )
    return existing
  }
  rmSync(directory, { recursive: true, force: true }) // what is there has no record: half made
  mkdirSync(directory, { mode: 0o700 })
  failpoint('ingest.made')
  const { namespace, ref, totalBytes, expected } = request
  const record: IngestRecord = { namespace, ref, startedAtMs: Date.now(), totalBytes, expected: expected ?? '' }
  replaceFileSync(join(directory, 'record.json'), JSON.stringify(record))
  failpoint('ingest.recorded')
  return record
}

function readRecord(directory: string): IngestRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'record.json'), 'utf8')) as IngestRecord
  } catch {
    return undefined // absent, or torn by a power loss: the upload starts over
  }
}

export function readIngestStatus(
  directory: string,
): { namespace: string; status: Status; updatedAtMs: number } | undefined {
  const record = readRecord(directory)
  if (record === undefined) return undefined
  const data = statSync(join(directory, 'data'), { throwIfNoEntry: false })
  const updatedAtMs = Math.floor(data?.mtimeMs ?? record.startedAtMs)
  const status = create(StatusSchema, {
    ref: record.ref,
    offset: BigInt(data?.size ?? 0),
    total: BigInt(record.totalBytes),
    expected: record.expected,
    startedAt: timestampFromMs(record.startedAtMs),
    updatedAt: timestampFromMs(updatedAtMs),
  })
  return { namespace: record.namespace, status, updatedAtMs }
}

/** What nobody writes and has no file, not even an empty one, holds nothing that could be resumed. */
export function hasData(directory: string): boolean {
  return existsSync(join(directory, 'data'))
}

/** Which blob an upload may have become whose record is still here: its bytes are not. */
export function dataMovedAs(directory: string): Digest | undefined {
  const expected = readRecord(directory)?.expected ?? ''
  return expected === '' || hasData(directory) ? undefined : parseDigest(expected)
}

/** Undoes moveTo, where it had come so far. */
export function moveDataBack(directory: string, blobPath: string): void {
  if (!existsSync(blobPath)) return
  chmodSync(blobPath, 0o600)
  renameSync(blobPath, join(directory, 'data'))
}

export function listIngests(root: string): { namespace: string; status: Status }[] {
  return readdirSync(join(root, 'ingest'))
    .sort()
    .flatMap((name) => readIngestStatus(join(root, 'ingest', name)) ?? [])
}
