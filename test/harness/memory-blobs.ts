// A content store of a map, for tests of what reads and writes archives.
import { createHash } from 'node:crypto'
import { Failure } from '../../src/base/failure.ts'
import type { ExportBlobs } from '../../src/image/archive/export-archive.ts'
import type { ArchiveBlobs } from '../../src/image/archive/import-archive.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import type { Digest } from '../../src/oci/digest.ts'

export class MemoryBlobs implements ArchiveBlobs, ExportBlobs {
  readonly blobs = new Map<Digest, Buffer>()
  readonly labels = new Map<Digest, Readonly<Record<string, string>>>()

  put(bytes: Uint8Array | string): { digest: Digest; size: number } {
    const copy = Buffer.from(bytes as Uint8Array)
    const digest = `sha256:${createHash('sha256').update(copy).digest('hex')}` as Digest
    this.blobs.set(digest, copy)
    return { digest, size: copy.length }
  }

  async store(file: { expected: Digest | undefined }, content: AsyncIterable<Buffer>): Promise<Digest> {
    const { digest } = this.put(await collect(content))
    if (file.expected !== undefined && file.expected !== digest)
      throw new Failure('failed-precondition', `unexpected commit digest ${digest}, expected ${file.expected}`)
    return digest
  }

  async write(
    mediaType: string,
    source: Uint8Array | AsyncIterable<Uint8Array>,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<Descriptor> {
    const stored = this.put(source instanceof Uint8Array ? source : await collect(source))
    this.labels.set(stored.digest, labels)
    return { mediaType, ...stored }
  }

  async readStart(digest: Digest, sizeMax: number): Promise<Buffer> {
    return this.require(digest).subarray(0, sizeMax)
  }

  async read({ digest }: { digest: Digest }, sizeMax: number): Promise<Buffer> {
    const bytes = this.require(digest)
    if (bytes.length > sizeMax) throw new Failure('resource-exhausted', 'too large')
    return bytes
  }

  async *stream(blob: Digest | Descriptor): AsyncGenerator<Buffer> {
    yield this.require(typeof blob === 'string' ? blob : blob.digest)
  }

  findPacked(diffId: Digest): { digest: Digest; size: number } | undefined {
    for (const [digest, labels] of this.labels)
      if (labels['containerd.io/uncompressed'] === diffId) return { digest, size: this.require(digest).length }
    return undefined
  }

  sourceAnnotations(): Record<string, string> {
    return {}
  }

  require(digest: Digest): Buffer {
    const bytes = this.blobs.get(digest)
    if (bytes === undefined) throw new Failure('not-found', `content digest ${digest}: not found`)
    return bytes
  }
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}
