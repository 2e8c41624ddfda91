// A file that is there when all of it is, and not before.
import { randomBytes } from 'node:crypto'
import { closeSync, lstatSync, openSync, renameSync, rmSync, type Stats, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../../base/failure.ts'

/** Mode 0600. `open` is asked once it is clear that there is a place for it. `subject` stands before what is wrong with the place. */
export async function writeWholeFile(
  path: string,
  subject: string,
  open: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  requirePlace(path, subject)
  const draft = `${path}.tmp-${randomBytes(6).toString('hex')}`
  const fd = openSync(draft, 'wx', 0o600)
  try {
    for await (const bytes of await open()) for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
}

function requirePlace(path: string, subject: string): void {
  const invalid = (why: string) => new Failure('invalid-argument', `${subject}: ${why}`)
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats !== undefined) {
    const why = REFUSED.find(([is]) => is(stats))?.[1]
    if (why !== undefined) throw invalid(`cannot write to a ${why}`)
  } else if (statSync(dirname(path), { throwIfNoEntry: false }) === undefined)
    throw invalid(`invalid output path: stat ${dirname(path)}: no such file or directory`)
}

/** What no file can be put in the place of. */
const REFUSED: readonly (readonly [is: (stats: Stats) => boolean, what: string])[] = [
  [(stats) => stats.isDirectory(), 'directory'],
  [(stats) => stats.isSymbolicLink(), 'symbolic link directly'],
  [(stats) => stats.isFIFO(), 'named pipe (FIFO)'],
  [(stats) => stats.isSocket(), 'socket'],
  [(stats) => stats.isCharacterDevice(), 'character device file'],
  [(stats) => stats.isBlockDevice(), 'block device file'],
]
