// LMDB maps its file and trusts it: one that is no database ends the process with a signal and no word. So it is looked at first.
import { readFileSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { readLmdbPages } from './lmdb-pages.ts'

/** A file that is not there or empty is in order: it becomes a database. Throws `data-loss`. */
export function checkDatabase(path: string): void {
  const [problem, ...more] = readLmdbPages(readDatabase(path), false).problems
  if (problem === undefined) return
  const others = more.length > 0 ? `, and ${more.length} more` : ''
  throw new Failure('data-loss', `${path} is damaged: ${problem}${others}`)
}

/** Empty where there is no file. */
export function readDatabase(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
