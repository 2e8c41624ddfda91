// GET /containers/{id}/checkpoints, and DELETE of one.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import type { Container } from '../container/container.ts'
import { checkpointsDirectory, requireCheckpoint, UNFINISHED } from './checkpoint-directory.ts'

/** By name, in order. */
export function listCheckpoints(container: Container, directory: string): { Name: string }[] {
  const parent = checkpointsDirectory(container, directory)
  if (directory === '') mkdirSync(parent, { recursive: true, mode: 0o700 })
  return readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.endsWith(UNFINISHED))
    .map(({ name }) => ({ Name: name }))
    .sort((a, b) => (a.Name < b.Name ? -1 : 1))
}

export function removeCheckpoint(container: Container, name: string, options: { directory: string; id: string }): void {
  rmSync(requireCheckpoint(container, name, options.directory, options.id), { recursive: true, force: true })
}
