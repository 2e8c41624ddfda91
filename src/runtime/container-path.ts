// Paths of a container as specs write them.
import { posix } from 'node:path'

/**
 * A mount's destination as a clean absolute path in the container. Relative ones count from the root (config.md, "Mounts"), and one that
 * begins with the root file system's own path on the host means what lies below it, as older runtimes had it.
 */
export function containerPath(destination: string, rootfsDirectory?: string): string {
  const path = clean(`/${destination}`)
  return rootfsDirectory !== undefined && isBelow(path, rootfsDirectory)
    ? clean(`/${path.slice(clean(rootfsDirectory).length)}`)
    : path
}

/** Whether a path is `directory` or something in it, as far as the texts say. */
export function isBelow(path: string, directory: string): boolean {
  const above = clean(directory)
  const below = clean(path)
  return above !== '/' && (below === above || below.startsWith(`${above}/`))
}

function clean(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, '')
}

/** A mount is one if it says so in its options (config.md); `type` alone is how older configurations say it. */
export function isBindMount({ type, options }: { type?: string; options?: readonly string[] }): boolean {
  return type === 'bind' || options?.some((option) => /(?:^|,)r?bind(?:,|$)/.test(option)) === true
}
