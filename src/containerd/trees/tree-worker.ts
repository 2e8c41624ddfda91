// The thread that compares or copies trees, one job in its life. Everything that it needs is imported before it leaves the host's mount table.
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { isFailure, messageOf } from '../../base/failure.ts'
import { codeOfErrno, errnoText } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { enterTrees, type TreePart } from '../../linux/thread-mounts.ts'
import { NeedsMount } from '../../trees/overlay-marks.ts'
import { type Compress, loadCompress } from '../diff/compress.ts'
import { shortened } from '../diff/layer-path.ts'
import type { Mount } from '../snapshots/snapshotter.ts'
import { openMount } from '../tasks/open-rootfs.ts'
import { archiveChanges } from './archive-changes.ts'
import { copyTree } from '../../trees/copy-tree.ts'
import {
  CHUNKS_IN_FLIGHT,
  type CopyJob,
  type DiffJob,
  type TreeJob,
  type TreeMessage,
  type TreeResult,
} from './tree-job.ts'
import { walkChanges } from './walk-changes.ts'

const kernel = openNativeKernel()
const CHUNK_SIZE = 256 * 1024
const LOWER = '/lower'
const UPPER = '/upper'

/** Acknowledgements come as messages; each lets one more chunk go. */
let allowance = CHUNKS_IN_FLIGHT
let wake: () => void = () => {}

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
  const result = { digest: '', sizeBytes: 0 }
  await send(compress, hashed(archive, result))
  return result
}

async function send(compress: Compress, chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const bytes of compress(chunks)) {
    while (allowance === 0) await new Promise<void>((resolve) => (wake = resolve))
    allowance--
    answer({ kind: 'chunk', bytes })
  }
}

/** Chunks of one size, wherever the pieces end, so that a compressor sees the same each time. */
async function* hashed(pieces: Iterable<Buffer>, result: TreeResult): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  let chunk = Buffer.allocUnsafeSlow(CHUNK_SIZE)
  let fill = 0
  for (const piece of pieces) {
    hash.update(piece)
    result.sizeBytes += piece.length
    for (let at = 0; at < piece.length; ) {
      const copied = piece.copy(chunk, fill, at)
      at += copied
      fill += copied
      if (fill < CHUNK_SIZE) continue
      yield chunk
      chunk = Buffer.allocUnsafeSlow(CHUNK_SIZE)
      fill = 0
    }
  }
  if (fill > 0) yield chunk.subarray(0, fill)
  result.digest = `sha256:${hash.digest('hex')}`
}

function copy(job: CopyJob): TreeResult {
  const open = (source: string, mode: 'ro' | 'rw') => openTree([{ type: 'bind', source, options: [mode, 'rbind'] }])
  enterTrees(kernel, { from: open(job.from, 'ro'), to: open(job.to, 'rw') })
  copyTree('/from', '/to')
  return { digest: '', sizeBytes: 0 }
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

parentPort?.once('message', (job: TreeJob) => {
  parentPort?.on('message', () => {
    allowance++
    wake()
  })
  void work(job)
})
