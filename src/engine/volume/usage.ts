// How much room volumes take, for `system df` and prune.
import { constants } from 'node:fs'
import { lstat, open, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import type { VolumeSummary } from '../../api/volume-types.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Engine } from '../engine.ts'
import { describeVolume } from './describe.ts'
import { referencedVolumes } from './references.ts'
import { LOCAL_DRIVER, type Volume } from './volume.ts'

/** The local volumes without options, each with `UsageData`: what others hold is no room of ours. */
export async function measureVolumes(engine: Pick<Engine, 'volumes' | 'containers' | 'log'>): Promise<VolumeSummary[]> {
  const used = referencedVolumes(engine)
  const { volumes } = await engine.volumes.list()
  const measured: VolumeSummary[] = []
  for (const volume of volumes.filter(isPlain)) {
    const Size = await sizeOf(engine, volume)
    measured.push({ ...describeVolume(volume), UsageData: { Size, RefCount: used.get(volume.name) ?? 0 } })
  }
  return measured
}

/** Prune and `system df` leave volumes with options alone, as Docker does. */
export function isPlain({ driver, options }: Volume): boolean {
  return driver === LOCAL_DRIVER && Object.keys(options ?? {}).length === 0
}

/** Bytes of its files; -1 where it cannot be read. */
export async function sizeOf(engine: Pick<Engine, 'log'>, { name, mountpoint }: Volume): Promise<number> {
  try {
    return await sizeOfTree(mountpoint)
  } catch (error) {
    engine.log.warn('the size of a volume could not be determined', { volume: name, error: messageOf(error) })
    return -1
  }
}

const DEPTH_MAX = 1000
const OPEN = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * Of regular files and links, a file with several names counted once. What goes meanwhile counts nothing. By descriptors: whoever writes to the volume
 * can exchange a directory for a link at any moment.
 */
async function sizeOfTree(path: string, seen = new Set<string>(), depth = 0): Promise<number> {
  if (depth > DEPTH_MAX) throw new Failure('resource-exhausted', `directories are more than ${DEPTH_MAX} deep`)
  const directory = await open(path, OPEN)
  try {
    const here = `/proc/self/fd/${directory.fd}`
    let total = 0
    for await (const entry of await opendir(here)) {
      const child = join(here, entry.name)
      const size = entry.isDirectory() ? sizeOfTree(child, seen, depth + 1) : sizeOfFile(child, seen)
      total += await size.catch(ignoreMissing)
    }
    return total
  } finally {
    await directory.close()
  }
}

async function sizeOfFile(path: string, seen: Set<string>): Promise<number> {
  const stat = await lstat(path)
  if (stat.nlink > 1) {
    const file = `${stat.dev}:${stat.ino}`
    if (seen.has(file)) return 0
    seen.add(file)
  }
  return stat.size
}

function ignoreMissing(error: unknown): number {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return 0
  throw error
}
