// What the two paths of a `cp` mean, by the rules of Docker's CLI.
import { posix } from 'node:path'
import { Failure } from '../../base/failure.ts'

/** One side: what is at a path. */
export interface CopyPlace {
  path: string
  exists: boolean
  isDirectory: boolean
  /** The name that the user knows it by, where a link was followed. */
  rebaseName: string
}

/** `name:path` is a container's; what begins with `.` or `/` is not. */
export function splitArgument(argument: string): { container: string; path: string } {
  const colon = argument.indexOf(':')
  if (argument.startsWith('/') || colon < 0 || argument.startsWith('.')) return { container: '', path: argument }
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) }
}

/** `a/b/` → `a` and `b`; `a/b/.` → `a/b` and `.`. */
export function splitEntry(path: string): { directory: string; base: string } {
  const clean = cleanPath(path)
  if (lastPart(path) === '.') return { directory: clean, base: '.' }
  return { directory: posix.dirname(clean), base: clean === '/' ? '/' : posix.basename(clean) }
}

/** A clean path that still says whether a directory is meant. */
export function preserveEnd(clean: string, original: string): string {
  if (lastPart(clean) !== '.' && lastPart(original) === '.') return clean.endsWith('/') ? `${clean}.` : `${clean}/.`
  return !clean.endsWith('/') && original.endsWith('/') ? `${clean}/` : clean
}

export function cleanPath(path: string): string {
  return posix.normalize(path === '' ? '.' : path).replace(/(?<=.)\/$/, '')
}

/** Where `path`, followed, is `resolved`: what is read, and what it is to be called. */
export function followedName(path: string, resolved: string): { path: string; rebaseName: string } {
  const place = preserveEnd(resolved, path)
  const name = posix.basename(cleanEnd(path))
  return { path: place, rebaseName: name === posix.basename(cleanEnd(place)) ? '' : name }
}

/** Where an archive of `source` is unpacked, and what its first entry is called there. Throws in the CLI's words. */
export function planCopy(source: CopyPlace, target: CopyPlace): { directory: string; name: string } {
  const { directory, base } = splitEntry(target.path)
  const own = source.rebaseName || splitEntry(source.path).base
  if (target.exists && target.isDirectory) return { directory: target.path, name: own }
  if (target.exists && source.isDirectory) throw new Failure('invalid-argument', 'cannot copy directory')
  const asksForDirectory = target.path.endsWith('/') || lastPart(target.path) === '.'
  if (!target.exists && !source.isDirectory && asksForDirectory)
    throw new Failure('invalid-argument', 'no such directory')
  return { directory, name: base }
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Go's filepath.Base looks behind slashes at the end. */
function cleanEnd(path: string): string {
  return path.replace(/(?<=.)\/+$/, '')
}
