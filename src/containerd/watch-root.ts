// A daemon whose root directory was removed under it serves nobody: what it still has open is in no directory, and what comes next would find nothing of it.
import { closeSync, type FSWatcher, fstatSync, openSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../base/log.ts'

const FIRST_LOOK_MS = 1_000
const LOOK_MS_MAX = 60_000

/**
 * A directory that was removed has no link any more. One that cannot be asked just now (EIO, ESTALE) may come back, and is not gone.
 * @param links asks the directory, by a descriptor.
 */
export function isRemoved(links: () => number): boolean {
  try {
    return links() === 0
  } catch {
    return false
  }
}

/** Milliseconds to the next look, after one that came `lastMs` after the one before. */
export function nextLook(lastMs: number): number {
  return Math.min(lastMs * 2, LOOK_MS_MAX)
}

/**
 * Watches a daemon's root directory, at no cost while nothing happens to it: what is removed as a whole goes file by file, and the file `lock` is
 * one of them. From its removal on the directory is looked for, at longer and longer intervals.
 * @returns `removed` resolves once the directory is gone; it never does where the kernel has no watch left for us.
 */
export function watchRoot(root: string, log: Log): { removed: Promise<'removed'> } & Disposable {
  const directory = openSync(root, 'r')
  const links = (path: number) => fstatSync(path).nlink
  const lock = openSync(join(root, 'lock'), 'r')
  let watcher: FSWatcher | undefined
  let timer: NodeJS.Timeout | undefined
  const removed = new Promise<'removed'>((resolve) => {
    const look = (delayMs: number): void => {
      if (isRemoved(() => links(directory))) return resolve('removed')
      timer = setTimeout(look, delayMs, nextLook(delayMs)).unref()
    }
    const begin = (): void => {
      if (timer === undefined && isRemoved(() => links(lock))) look(FIRST_LOOK_MS)
    }
    try {
      watcher = watch(join(root, 'lock'), { persistent: false }, begin)
      watcher.on('error', () => {})
    } catch (error) {
      log.warn('the root directory is not watched', { root, error: String(error) })
    }
    begin() // what happened before the watch
  })
  return {
    removed,
    [Symbol.dispose]() {
      watcher?.close()
      clearTimeout(timer)
      closeSync(lock)
      closeSync(directory)
    },
  }
}
