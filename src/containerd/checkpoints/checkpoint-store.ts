// Checkpoints on their way between a runtime, which has a directory of them, and the content store, which keeps one as an archive.
import { randomBytes } from 'node:crypto'
import { createReadStream, mkdirSync, readlinkSync, rmSync } from 'node:fs'
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, isFailure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { parseDigest } from '../../oci/digest.ts'
import { Any, CheckpointOptions, Options } from '../../wire/shim-v2/messages.ts'
import { byteString, NO_XATTRS, type TarEntry } from '../../wire/tar/entry.ts'
import { type TarSource, writeTar } from '../../wire/tar/write-tar.ts'
import type { ContentStore } from '../content/content-store.ts'
import { applyLayer } from '../diff/apply-layer.ts'
import type { LayerWorkers } from '../diff/layer-workers.ts'
import type { TaskHandle } from '../tasks/task-runtime.ts'

const ARCHIVE_TYPE = 'application/vnd.containerd.container.criu.checkpoint.criu.tar'
const CONFIG_TYPE = 'application/vnd.containerd.container.checkpoint.config.v1+proto'

export interface CheckpointStoreDeps {
  /** For directories that are needed for as long as a call takes. What a crash left there goes at the next start. */
  directory: string
  content: ContentStore
  workers: LayerWorkers
}

/** A descriptor as requests have it. */
interface AskedDescriptor {
  mediaType: string
  digest: string
  size: bigint
}

export class CheckpointStore {
  readonly #deps: CheckpointStoreDeps

  constructor(deps: CheckpointStoreDeps) {
    this.#deps = deps
    rmSync(deps.directory, { recursive: true, force: true })
    mkdirSync(deps.directory, { recursive: true, mode: 0o700 })
  }

  /**
   * The directory that a new task shall begin from: where the runtime's options say, or an archive unpacked; '' where it begins anew.
   * Disposing of it removes what was unpacked.
   */
  async open(
    request: { namespace: string; checkpoint: AskedDescriptor | undefined; options: Any | undefined },
    signal: AbortSignal,
  ): Promise<AsyncDisposable & { path: string }> {
    const { namespace, checkpoint, options } = request
    const path = decodeAs('containerd.runc.v1.Options', Options, options)?.criuImagePath ?? ''
    if (path !== '' || checkpoint === undefined) return { path, async [Symbol.asyncDispose]() {} }
    if (checkpoint.mediaType !== ARCHIVE_TYPE)
      throw new Failure('unknown', `unsupported checkpoint type ${JSON.stringify(checkpoint.mediaType)}`)
    const digest = parseDigest(checkpoint.digest)
    this.#deps.content.require(namespace, digest)
    const directory = await this.#makeDirectory()
    try {
      await applyLayer(this.#deps.workers, {
        diff: { mediaType: ARCHIVE_TYPE, digest, size: Number(checkpoint.size) },
        blobPath: this.#deps.content.blobPath(digest),
        mounts: [{ type: 'bind', source: directory.path, options: ['rbind', 'rw'] }],
        syncFs: false,
        signal,
      })
      await checkPlain(directory.path)
    } catch (error) {
      await directory[Symbol.asyncDispose]()
      throw error
    }
    return directory
  }

  /** Has the task checkpointed to where the options say, which makes no content; or into an archive and its spec in the content store. */
  async take(
    task: TaskHandle,
    request: { spec: Any | undefined; options: Any | undefined; leaseId: string | undefined },
  ): Promise<Descriptor[]> {
    const { options, spec } = request
    const asked = decodeAs('containerd.runc.v1.CheckpointOptions', CheckpointOptions, options)
    if (asked !== undefined && asked.imagePath !== '') {
      await task.checkpoint(asked.imagePath, options)
      return []
    }
    await using directory = await this.#makeDirectory()
    await task.checkpoint(directory.path, options)
    const owner = { namespace: task.namespace, leaseId: request.leaseId }
    const archive = await this.#store(ARCHIVE_TYPE, writeTar(entriesOf(directory.path, '')), owner)
    const config = await this.#store(CONFIG_TYPE, [Any.encode(spec ?? {})], owner)
    return [archive, config]
  }

  async #makeDirectory(): Promise<AsyncDisposable & { path: string }> {
    const path = await mkdtemp(join(this.#deps.directory, 'checkpoint-'))
    return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
  }

  async #store(
    mediaType: string,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    owner: { namespace: string; leaseId: string | undefined },
  ): Promise<Descriptor> {
    const { content } = this.#deps
    const ref = `checkpoint-${randomBytes(8).toString('hex')}`
    const ingest = await content.openIngest({ ...owner, ref, totalBytes: 0, expected: undefined })
    try {
      for await (const chunk of source) await ingest.write(chunk)
      const digest = ingest.digest()
      const size = ingest.sizeBytes
      await content.commit(ingest, { sizeBytes: 0, digest: undefined, labels: {} }).catch((error: unknown) => {
        if (!isFailure(error, 'already-exists')) throw error
      })
      return { mediaType, digest, size }
    } finally {
      await ingest.close()
      await content.abort(owner.namespace, ref).catch(() => {}) // there is none once it is committed
    }
  }
}

/** Checkpoints are plain files, which are opened by their names: a link among them would lead elsewhere. */
async function checkPlain(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isDirectory()) await checkPlain(join(directory, entry.name))
    else if (!entry.isFile())
      throw new Failure(
        'invalid-argument',
        `checkpoint: ${JSON.stringify(entry.name)} is no plain file: invalid argument`,
      )
}

function decodeAs<T>(type: string, codec: { decode(bytes: Uint8Array): T }, any: Any | undefined): T | undefined {
  return any?.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1) === type ? codec.decode(any.value) : undefined
}

/** Directories before what is in them, names in their order: the same files are the same archive. */
async function* entriesOf(root: string, below: string): AsyncGenerator<TarSource> {
  for (const name of (await readdir(join(root, below))).sort()) {
    const path = below === '' ? name : `${below}/${name}`
    const stats = await lstat(join(root, path))
    const entry: TarEntry = {
      name: byteString(stats.isDirectory() ? `${path}/` : path),
      type: stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symlink' : 'file',
      linkName: stats.isSymbolicLink() ? byteString(readlinkSync(join(root, path))) : '',
      mode: stats.mode & 0o7777,
      uid: stats.uid,
      gid: stats.gid,
      size: stats.isFile() ? stats.size : 0,
      mtime: { seconds: Math.floor(stats.mtimeMs / 1000), nanos: 0 },
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: NO_XATTRS,
    }
    if (stats.isFile()) yield { entry, content: createReadStream(join(root, path)) }
    else if (stats.isDirectory() || stats.isSymbolicLink()) yield { entry }
    if (stats.isDirectory()) yield* entriesOf(root, path)
  }
}
