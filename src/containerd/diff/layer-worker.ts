// The worker thread that unpacks one layer at a time. Everything that it needs is imported before it changes its root.
import { createHash } from 'node:crypto'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { codeOfErrno, errnoText, KernelError } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { ownThreadRoot } from '../../linux/thread-root.ts'
import { TarParser } from '../../wire/tar/tar-parser.ts'
import { loadDecompress } from './decompress.ts'
import type { LayerAnswer, LayerJob } from './layer-job.ts'
import { LayerWriter, lowerDirectoryFinder } from './layer-writer.ts'
import { failpoint } from '../failpoints.ts'

const kernel = openNativeKernel()
const root = ownThreadRoot()

async function unpackLayer(job: LayerJob): Promise<LayerAnswer> {
  const start = Buffer.alloc(18)
  const startSize = readSync(job.blob, start, 0, start.length, 0)
  const decompressed = await loadDecompress(start.subarray(0, startSize))
  const lowers = job.lowers.map((path) => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))
  root.enter(job.directory)
  const writer = new LayerWriter({ kernel, findLowerDirectory: lowerDirectoryFinder(kernel, lowers) })
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
    root.leave()
    for (const fd of lowers) closeSync(fd)
  }
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
function failed(error: unknown, entry: string): LayerAnswer {
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
