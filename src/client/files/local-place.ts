// The user's own side of a `cp`.
import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs'
import { posix } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import { cleanPath, type CopyPlace, followedName, preserveEnd, splitEntry } from './copy-paths.ts'

const LINKS_MAX = 10

export function absolutePath(path: string): string {
  return preserveEnd(cleanPath(posix.resolve(path)), path)
}

/** Throws in the words of Go's os package. */
export function localSource(path: string, followsLink: boolean): CopyPlace {
  const { path: found, rebaseName } = followsLink ? followedName(path, resolve(path)) : inResolvedDirectory(path)
  const stats = look(() => lstatSync(found), 'lstat', found)
  return { path: found, exists: true, isDirectory: stats.isDirectory(), rebaseName }
}

/** Links at the end are followed; what is not there must have a directory to go to. */
export function localTarget(path: string): CopyPlace {
  let at = path
  for (let links = 0; ; links++) {
    const stats = lstatSync(at, { throwIfNoEntry: false })
    if (stats === undefined) break
    if (!stats.isSymbolicLink()) return { path: at, exists: true, isDirectory: stats.isDirectory(), rebaseName: '' }
    if (links > LINKS_MAX) throw new Failure('invalid-argument', `too many symlinks in ${path}`)
    at = posix.resolve(splitEntry(at).directory, readlinkSync(at))
  }
  const { directory } = splitEntry(at)
  if (!look(() => statSync(directory), 'stat', directory).isDirectory())
    throw new Failure('invalid-argument', 'not a directory')
  return { path: at, exists: false, isDirectory: false, rebaseName: '' }
}

/** Before anything is asked of the engine. */
export function checkOutputPath(path: string): void {
  const directory = posix.dirname(cleanPath(path))
  if (statSync(directory, { throwIfNoEntry: false }) === undefined)
    throw new Failure('invalid-argument', `invalid output path: directory ${JSON.stringify(directory)} does not exist`)
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isBlockDevice() || stats?.isCharacterDevice())
    throw new Failure(
      'invalid-argument',
      `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got a device`,
    )
}

function inResolvedDirectory(path: string): { path: string; rebaseName: string } {
  const slash = path.lastIndexOf('/')
  const directory = resolve(path.slice(0, slash + 1) || '/')
  const found = `${directory === '/' ? '' : directory}/${path.slice(slash + 1)}`
  const [name, real] = [posix.basename(path), posix.basename(found)]
  return { path: found, rebaseName: path.endsWith('/') && name !== real ? name : '' }
}

function resolve(path: string): string {
  return look(() => realpathSync(path), 'lstat', path)
}

function look<T extends Stats | string>(read: () => T, call: string, path: string): T {
  try {
    return read()
  } catch (error) {
    const { code, path: at = path } = error as NodeJS.ErrnoException
    const reason = REASONS[code ?? ''] ?? messageOf(error)
    throw new Failure('not-found', `${call} ${cleanPath(String(at))}: ${reason}`)
  }
}

/** By errno, as Go's os package says it. */
export const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  ELOOP: 'too many levels of symbolic links',
}
