// The thread that compares or copies trees, one job in its life. Everything that it needs is imported before it leaves the host's mount table.
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { isFailure, messageOf } from '../../base/failure.ts'
import { codeOfErrno, errnoText } from '../../linux/kernel-error.ts'
import type { Fd } from '../../linux/kernel.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { enterTrees, type TreePart } from '../../linux/thread-mounts.ts'
import { NeedsMount } from '../../trees/overlay-marks.ts'
import { loadCompress } from '../diff/compress.ts'
import { shortened } from '../diff/layer-path.ts'
import type { Mount } from '../snapshots/snapshotter.ts'
import { openMount } from '../tasks/open-rootfs.ts'
import { archiveChanges } from './archive-changes.ts'
import { copyTree } from '../../trees/copy-tree.ts'
import { failpoint } from '../failpoints.ts'
import type { CopyJob, DiffJob, Measured, TreeJob, TreeMessage, TreeResult } from './tree-job.ts'
import { walkChanges } from './walk-changes.ts'

const kernel = openNativeKernel()
const CHUNK_SIZE = 256 * 1024
const LOWER = '/lower'
const UPPER = '/upper'

function answer(message: TreeMessage): void {
  parentPort?.postMessage(message)
}

function openTree(mounts: readonly Mount[]): TreePart[] {
  return mounts.map((mount) => ({ mount: openMount(kernel, { target: '', ...mount }), target: mount.target ?? '' }))
}

async function diff(job: DiffJob): Promise<TreeResult> {
  const compress = await loadCompress(job.compression)
  enterTrees(kernel, { lower: openTree(job.lower), upper: openTree(job.upper) })
  const changes = walkChanges({ lower: LOWER, upper: UPPER, overlayPrefix: job.overlayPrefix })
  const { modifiedMax } = job
  const archive = archiveChanges(changes, modifiedMax === undefined ? { upper: UPPER } : { upper: UPPER, modifiedMax })
  const made = new Meter()
  if (job.compression === 'none') {
    for (const chunk of inChunks(archive)) {
      made.count(chunk)
      write(job.output, chunk)
    }
    return { archive: made.measured(), output: made.measured() }
  }
  const written = new Meter()
  for await (const bytes of compress(copies(inChunks(archive), made))) {
    written.count(bytes)
    write(job.output, bytes)
  }
  return { archive: made.measured(), output: written.measured() }
}

/** On this thread, where nobody else waits for it. */
function write(output: Fd, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(output, bytes, at)
  failpoint('ingest.written')
}

/** Chunks of one size, wherever the pieces end, so that a compressor sees the same each time, and a disk few. Each is good until the next. */
function* inChunks(pieces: Iterable<Buffer>): Generator<Buffer> {
  const chunk = Buffer.allocUnsafeSlow(CHUNK_SIZE)
  let fill = 0
  for (const piece of pieces)
    for (let at = 0; at < piece.length; ) {
      const copied = piece.copy(chunk, fill, at)
      at += copied
      fill += copied
      if (fill < CHUNK_SIZE) continue
      yield chunk
      fill = 0
    }
  if (fill > 0) yield chunk.subarray(0, fill)
}

/** A compressor takes its time with each. */
async function* copies(chunks: Iterable<Buffer>, made: Meter): AsyncGenerator<Buffer> {
  for (const chunk of chunks) {
    made.count(chunk)
    yield Buffer.from(chunk)
  }
}

class Meter {
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  count(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.#sizeBytes += bytes.length
  }

  measured(): Measured {
    return { digest: `sha256:${this.#hash.copy().digest('hex')}`, sizeBytes: this.#sizeBytes }
  }
}

function copy(job: CopyJob): TreeResult {
  const nothing = { digest: '', sizeBytes: 0 }
  const open = (source: string, mode: 'ro' | 'rw') => openTree([{ type: 'bind', source, options: [mode, 'rbind'] }])
  enterTrees(kernel, { from: open(job.from, 'ro'), to: open(job.to, 'rw') })
  copyTree('/from', '/to')
  return { archive: nothing, output: nothing }
}

function failed(error: unknown): TreeMessage {
  if (error instanceof NeedsMount) return { kind: 'needs-mount' }
  if (isFailure(error)) return { kind: 'failed', code: error.code, message: error.message }
  const native = error as NodeJS.ErrnoException
  if (typeof native.errno !== 'number' || !native.syscall)
    return { kind: 'failed', code: 'internal', message: messageOf(error) }
  const errno = Math.abs(native.errno)
  const path = shortened(/'(.*)'/s.exec(native.message)?.[1] ?? '')
  return { kind: 'failed', code: codeOfErrno(errno), message: `${native.syscall} ${path}: ${errnoText(errno)}` }
}

async function work(job: TreeJob): Promise<void> {
  try {
    answer({ kind: 'done', result: job.kind === 'diff' ? await diff(job) : copy(job) })
  } catch (error) {
    answer(failed(error))
  }
}

parentPort?.once('message', (job: TreeJob) => void work(job))
