// Fills a volume with what the image has at its destination.
import { Worker } from 'node:worker_threads'
import { Failure, type FailureCode } from '../../../base/failure.ts'
import { AT_EMPTY_PATH, OPEN_TREE_CLONE } from '../../../linux/constants.ts'
import type { Fd, Kernel } from '../../../linux/kernel.ts'
import type { IdMap } from '../../userns/id-map.ts'
import { mappedFrom, openLayers } from '../read-user-files.ts'

export interface CopyUpJob {
  /** Detached mounts, which the thread closes. */
  image: Fd
  volume: Fd
  /** In the image; links are followed inside of it. */
  path: string
}

export type CopyUpAnswer = { kind: 'done' } | { kind: 'failed'; code: FailureCode; message: string }

/** `volume` is the directory to fill, by a descriptor that stays the caller's. */
export async function copyUp(
  kernel: Kernel,
  layers: readonly string[],
  path: string,
  volume: Fd,
  map?: IdMap,
): Promise<void> {
  const job = openTrees(kernel, openDetached(kernel, layers, map), volume, path)
  const worker = new Worker(new URL('./copy-up-worker.js', import.meta.url), { workerData: job })
  const answer = await new Promise<CopyUpAnswer>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Failure('internal', `the thread that fills volumes ended with ${code}`)))
  })
  if (answer.kind === 'failed') throw new Failure(answer.code, answer.message)
}

function openTrees(kernel: Kernel, image: Fd, volume: Fd, path: string): CopyUpJob {
  try {
    return { image, volume: cloneTree(kernel, volume), path }
  } catch (error) {
    kernel.close(image)
    throw error
  }
}

function openDetached(kernel: Kernel, layers: readonly string[], map: IdMap | undefined): Fd {
  const opened = openLayers(kernel, layers, [], mappedFrom(0, map))
  if (layers.length > 1 || map !== undefined) return opened // a mount already
  try {
    return cloneTree(kernel, opened)
  } finally {
    kernel.close(opened)
  }
}

function cloneTree(kernel: Kernel, directory: Fd): Fd {
  return kernel.openTree(directory, '', OPEN_TREE_CLONE | AT_EMPTY_PATH)
}
