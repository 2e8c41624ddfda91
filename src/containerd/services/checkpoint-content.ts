// Checkpoints in the content store: criu's images as a tar archive, and the container's spec beside it.
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { type CheckpointOptions, CheckpointOptionsSchema } from '../../gen/runc/options_pb.ts'
import { type Descriptor, DescriptorSchema } from '../../gen/types/descriptor_pb.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import { byteString, displayName, NO_XATTRS, type TarEntry } from '../../wire/tar/entry.ts'
import { TarParser } from '../../wire/tar/tar-parser.ts'
import { type TarSource, writeTar } from '../../wire/tar/write-tar.ts'
import type { ContentStore } from '../content/content-store.ts'

const IMAGES_TYPE = 'application/vnd.containerd.container.criu.checkpoint.criu.tar'
const SPEC_TYPE = 'application/vnd.containerd.container.checkpoint.config.v1+proto'

/** On whose behalf something is stored. */
export interface ContentOwner {
  namespace: string
  leaseId: string | undefined
}

/** What a client wants of a checkpoint. Throws Failure('invalid-argument') for options of another kind. */
export function parseCheckpointOptions(asked: Any | undefined): CheckpointOptions {
  if (asked === undefined || asked.value.length === 0) return create(CheckpointOptionsSchema)
  if (asked.typeUrl.slice(asked.typeUrl.lastIndexOf('/') + 1) !== CheckpointOptionsSchema.typeName)
    throw new Failure('invalid-argument', `checkpoint options are of type ${asked.typeUrl}: invalid argument`)
  try {
    return fromBinary(CheckpointOptionsSchema, asked.value)
  } catch (error) {
    throw new Failure('invalid-argument', `checkpoint options: ${messageOf(error)}: invalid argument`, { cause: error })
  }
}

/** The images and the spec as two blobs. */
export async function storeCheckpoint(
  content: ContentStore,
  owner: ContentOwner,
  images: string,
  spec: Any | undefined,
): Promise<Descriptor[]> {
  return [
    await store(content, owner, IMAGES_TYPE, writeTar(filesOf(images))),
    await store(content, owner, SPEC_TYPE, [toBinary(AnySchema, spec ?? create(AnySchema))]),
  ]
}

/** Fills a directory that is there. Throws Failure('invalid-argument') for what no checkpoint is. */
export async function unpackCheckpoint(
  content: ContentStore,
  namespace: string,
  { mediaType, digest }: Descriptor,
  directory: string,
): Promise<void> {
  if (mediaType !== IMAGES_TYPE)
    throw new Failure('invalid-argument', `unsupported checkpoint type ${JSON.stringify(mediaType)}`)
  const found = parseDigest(digest)
  content.require(namespace, found)
  const files = new FlatFiles(directory)
  try {
    const parser = new TarParser(files)
    for await (const chunk of createReadStream(content.blobPath(found))) parser.push(chunk as Buffer)
    parser.finish()
  } finally {
    files.close()
  }
}

async function store(
  content: ContentStore,
  { namespace, leaseId }: ContentOwner,
  mediaType: string,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Descriptor> {
  const ref = `checkpoint-${randomBytes(8).toString('hex')}`
  const ingest = await content.openIngest({ namespace, ref, totalBytes: 0, expected: undefined, leaseId })
  try {
    for await (const part of bytes) await ingest.write(part)
    const sizeBytes = ingest.sizeBytes
    const digest = ingest.digest()
    await commit(content, ingest, { sizeBytes, digest })
    return create(DescriptorSchema, { mediaType, digest, size: BigInt(sizeBytes) })
  } finally {
    await ingest.close()
  }
}

/** That somebody has stored the same before is as good. */
async function commit(
  content: ContentStore,
  ingest: Parameters<ContentStore['commit']>[0],
  expectations: { sizeBytes: number; digest: Digest },
): Promise<void> {
  try {
    await content.commit(ingest, { ...expectations, labels: {} })
  } catch (error) {
    if (!isFailure(error, 'already-exists')) throw error
  }
}

/** criu writes plain files, and all into one directory. */
async function* filesOf(directory: string): AsyncGenerator<TarSource> {
  for await (const { name } of await opendir(directory)) {
    const path = join(directory, name)
    const found = await stat(path)
    if (!found.isFile()) continue
    const entry: TarEntry = {
      name: byteString(name),
      type: 'file',
      linkName: '',
      mode: found.mode & 0o777,
      uid: 0,
      gid: 0,
      size: found.size,
      mtime: { seconds: Math.floor(found.mtimeMs / 1000), nanos: 0 },
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: NO_XATTRS,
    }
    yield { entry, content: createReadStream(path) as AsyncIterable<Buffer> }
  }
}

/** Plain files with plain names: an archive that holds anything else is none of criu's. */
class FlatFiles {
  readonly #directory: string
  #file: number | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  entry({ name, type }: TarEntry): void {
    const plain = displayName(name).replace(/^\.\//, '').replace(/\/$/, '')
    if (type === 'directory' && (plain === '' || plain === '.')) return
    if (type !== 'file' || !/^[\w][\w.@+-]*$/.test(plain))
      throw new Failure('invalid-argument', `checkpoint: ${JSON.stringify(plain)} is no file of criu's`)
    this.#file = openSync(join(this.#directory, plain), 'wx', 0o600)
  }

  data(bytes: Buffer): void {
    if (this.#file === undefined) return
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at)
  }

  end(): void {
    this.close()
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}
