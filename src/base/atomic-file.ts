// Files that change as a whole: draft, rename, and where asked for, sync.
import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  promises,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** `durable`: survives power loss, costs two fsyncs. `atomic`: survives a crash of any process, costs none. */
export type Durability = 'durable' | 'atomic'

/** After a crash a reader finds the old bytes or the new ones, never a mixture. */
export async function replaceFile(
  path: string,
  data: string | Uint8Array,
  options: { durability: Durability; mode?: number },
): Promise<void> {
  const draft = draftName(path)
  try {
    const file = await promises.open(draft, 'wx', options.mode ?? 0o600)
    try {
      await file.writeFile(data)
      if (options.durability === 'durable') await file.sync()
    } finally {
      await file.close()
    }
    await promises.rename(draft, path)
  } catch (error) {
    await promises.rm(draft, { force: true })
    throw error
  }
  if (options.durability === 'durable') await syncDirectory(dirname(path))
}

/**
 * `replaceFile` of the `atomic` grade in one breath, for small records on a request's path.
 * @param beside what the draft's name begins with: another place of the same file system, where all files of the directory are read by others.
 */
export function replaceFileSync(path: string, data: string | Uint8Array, mode = 0o600, beside = path): void {
  const draft = draftName(beside)
  try {
    writeFileSync(draft, data, { flag: 'wx', mode })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

/** One that is not there is no failure. rmSync asks twice whether it is a directory. */
export function removeFileSync(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Makes a rename or an unlink in this directory survive power loss. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await promises.open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Makes all that is in a directory survive power loss, one file after another. Links are not followed, and what is no file is left alone. */
export async function syncTree(path: string): Promise<void> {
  for await (const entry of await promises.opendir(path)) {
    const inside = join(path, entry.name)
    if (entry.isDirectory()) await syncTree(inside)
    if (entry.isFile()) await syncFile(inside)
  }
  await syncDirectory(path)
}

/** Makes what has been written to it, by whomever, survive power loss. */
export async function syncFile(path: string): Promise<void> {
  const file = await promises.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The same as syncDirectory in one breath, where little is to be written. */
export function syncDirectorySync(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

/** Makes what is missing of a path; its name, and each one on the way, survives power loss from then on. */
export function makeDurableDirectory(path: string, mode = 0o700): void {
  let made = mkdirSync(path, { recursive: true, mode })
  for (; made !== undefined; made = made === path ? undefined : join(made, relative(made, path).split('/')[0]!))
    syncDirectorySync(dirname(made))
}

/** Reads a whole text file; undefined where there is none. */
export function readTextIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Draft names carry this suffix, so that a reconciler can sweep what a crash left. */
export const DRAFT_SUFFIX = '.draft'

/** It need only be unlikely that two have the same: who opens it insists on a new file. */
function draftName(path: string): string {
  return `${path}.${process.pid.toString(36)}${Math.random().toString(36).slice(2)}${DRAFT_SUFFIX}`
}
