// Where the checkout is, seen from compiled code at any depth.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const ROOT = findRoot(import.meta.dirname)
/** Beside the compiled code where the programs are there, too: a checkout can hold several builds. */
const BESIDE = join(import.meta.dirname, '../../../bin')
export const BIN = existsSync(join(BESIDE, 'berthd')) ? BESIDE : join(ROOT, 'build/bin')

function findRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from
  const parent = dirname(from)
  if (parent === from) throw new Error('no package.json above the tests')
  return findRoot(parent)
}
