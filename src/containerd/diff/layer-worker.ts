// The worker thread that unpacks one layer at a time. Everything that it needs is imported before it changes its root.
import { createHash } from 'node:crypto'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { codeOfErrno, errnoText, KernelError } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { enterDirectory, enterTrees } from '../../linux/thread-mounts.ts'
import { ownThreadRoot } from '../../linux/thread-root.ts'
import { TarParser } from '../../wire/tar/tar-parser.ts'
import { failpoint } from '../failpoints.ts'
import { openMount } from '../tasks/open-rootfs.ts'
import { loadDecompress } from './decompress.ts'
import type { ApplyTarget } from './find-target.ts'
import { shortened } from './layer-path.ts'
import type { LayerAnswer, LayerJob } from './layer-job.ts'
import { LayerWriter, lowerDirectoryFinder } from './layer-writer.ts'

const kernel = openNativeKernel()
const root = ownThreadRoot()

async function unpackLayer(job: LayerJob): Promise<LayerAnswer> {
  const start = Buffer.alloc(18)
  const startSize = readSync(job.blob, start, 0, start.length, 0)
  const decompressed = await loadDecompress(start.subarray(0, job.mayBeCompressed ? startSize : 0))
  const { target } = job
  const lowerPaths = target.kind === 'upper' ? target.lowers : []
  const lowers = lowerPaths.map((path) => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))
  enter(target)
  const findLowerDirectory = lowerDirectoryFinder(kernel, lowers)
  const writer = new LayerWriter({ kernel, findLowerDirectory, isWhole: target.kind !== 'upper' })
  failpoint('apply.started')
  const parser = new TarParser(writer)
  const hash = createHash('sha256')
  let sizeBytes = 0
  try {
    for await (const chunk of decompressed(job.blob)) {
      if (Atomics.load(job.cancelled, 0) !== 0) throw new Failure('cancelled', 'context canceled')
      sizeBytes += chunk.length
      if (sizeBytes > job.sizeBytesMax) throw new Failure('resource-exhausted', `larger than ${job.sizeBytesMax} bytes`)
      failpoint('apply.chunk')
      hash.update(chunk)
      parser.push(chunk)
    }
    parser.finish()
    writer.finish()
    if (job.syncFs) syncRoot()
    failpoint('apply.finished')
    return { ok: true, digest: `sha256:${hash.digest('hex')}`, sizeBytes }
  } catch (error) {
    return failed(error, writer.current)
  } finally {
    writer.abandon()
    if (target.kind !== 'mounts') root.leave()
    for (const fd of lowers) closeSync(fd)
  }
}

function enter(target: ApplyTarget): void {
  if (target.kind !== 'mounts') {
    root.enter(target.directory)
    return
  }
  const parts = target.mounts.map((mount) => ({
    mount: openMount(kernel, { target: '', ...mount }),
    target: mount.target ?? '',
  }))
  enterTrees(kernel, { root: parts })
  enterDirectory('/root')
}

function syncRoot(): void {
  const fd = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    kernel.syncfs(fd)
  } finally {
    closeSync(fd)
  }
}

/** `open etc/passwd: no space left on device`: Go's way to say it, and Docker's users know it. */
function failed(error: unknown, path: string): LayerAnswer {
  const entry = shortened(path)
  const native = error as NodeJS.ErrnoException
  if (error instanceof KernelError)
    return { ok: false, code: error.code, message: `${error.call} /${entry}: ${errnoText(error.errno)}` }
  if (isFailure(error)) return { ok: false, code: error.code, message: error.message }
  if (typeof native.errno === 'number' && native.syscall) {
    const errno = Math.abs(native.errno)
    return { ok: false, code: codeOfErrno(errno), message: `${native.syscall} /${entry}: ${errnoText(errno)}` }
  }
  return { ok: false, code: 'internal', message: `/${entry}: ${messageOf(error)}` }
}

parentPort?.on('message', (job: LayerJob) => {
  unpackLayer(job).then(
    (answer) => parentPort?.postMessage(answer),
    (error) => parentPort?.postMessage(failed(error, '')),
  )
})
