// The thread that fills one volume. It sees the image and the volume and nothing else (linux/thread-mounts.ts), and the engine is not kept waiting.
import { mkdirSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { isFailure, messageOf } from '../../../base/failure.ts'
import { AT_EMPTY_PATH, O_DIRECTORY, O_PATH, OPEN_TREE_CLONE, RESOLVE_IN_ROOT } from '../../../linux/constants.ts'
import { AT_FDCWD, type Fd } from '../../../linux/kernel.ts'
import { openNativeKernel } from '../../../linux/native-kernel.ts'
import { enterTrees } from '../../../linux/thread-mounts.ts'
import type { CopyUpAnswer, CopyUpJob } from './copy-up.ts'
import { copyTree } from '../../../trees/copy-tree.ts'

const kernel = openNativeKernel()
const IMAGE = '/image'
const FROM = '/from'
const VOLUME = '/volume'

function run({ image, volume, path }: CopyUpJob): void {
  enterTrees(kernel, { image: [{ mount: image, target: '' }], volume: [{ mount: volume, target: '' }] })
  mkdirSync(FROM)
  withOpen(IMAGE, 0, AT_FDCWD, (root) =>
    withOpen(path, RESOLVE_IN_ROOT, root, (source) =>
      withOpen(FROM, 0, AT_FDCWD, (place) => {
        const tree = kernel.openTree(source, '', OPEN_TREE_CLONE | AT_EMPTY_PATH)
        kernel.moveMount(tree, '', place, '', 0)
        kernel.close(tree)
      }),
    ),
  )
  copyTree(FROM, VOLUME, { intoVolume: true })
}

function withOpen(path: string, resolve: number, directory: Fd, work: (fd: Fd) => void): void {
  const fd = kernel.openat2(directory, path, { flags: O_PATH | O_DIRECTORY, resolve })
  try {
    work(fd)
  } finally {
    kernel.close(fd)
  }
}

function answer(): CopyUpAnswer {
  try {
    run(workerData as CopyUpJob)
    return { kind: 'done' }
  } catch (error) {
    return { kind: 'failed', code: isFailure(error) ? error.code : 'internal', message: messageOf(error) }
  }
}

parentPort?.postMessage(answer())
