// Repositories in a directory: folders whose names are repository names, and which hold what only repositories have.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseRepositoryName, type RepositoryName } from '../names.ts'
import { absentAs } from './absent.ts'

/** Those below `root` that have one of these folders, in byte order. */
export async function findRepositories(root: string, marks: readonly string[]): Promise<RepositoryName[]> {
  const found: RepositoryName[] = []
  await walk(root, '', marks, found)
  return found.sort()
}

async function walk(root: string, prefix: string, marks: readonly string[], found: RepositoryName[]): Promise<void> {
  const entries = await absentAs([], readdir(join(root, prefix), { withFileTypes: true }))
  const own = parseRepositoryName(prefix)
  if (own !== undefined && entries.some((entry) => marks.includes(entry.name))) found.push(own)
  for (const entry of entries) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
    if (entry.isDirectory() && parseRepositoryName(path) !== undefined) await walk(root, path, marks, found)
  }
}
