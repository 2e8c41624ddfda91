// How much room volumes take, for `system df` and prune.
import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import type { VolumeSummary } from '../../api/volume-types.ts'
import { messageOf } from '../../base/failure.ts'
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

/** Of regular files and links, a file with several names counted once. What goes meanwhile counts nothing. */
async function sizeOfTree(root: string): Promise<number> {
  const seen = new Set<string>()
  const waiting = [root]
  let total = 0
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for await (const entry of await opendir(path).catch((error: unknown) => ignoreMissing(error, path !== root))) {
      const child = join(path, entry.name)
      if (entry.isDirectory()) waiting.push(child)
      else total += await sizeOfFile(child, seen)
    }
  }
  return total
}

async function sizeOfFile(path: string, seen: Set<string>): Promise<number> {
  const stat = await lstat(path).catch((error: unknown) => ignoreMissing(error, true))
  if (!('size' in stat)) return 0
  if (stat.nlink > 1) {
    const file = `${stat.dev}:${stat.ino}`
    if (seen.has(file)) return 0
    seen.add(file)
  }
  return stat.size
}

function ignoreMissing(error: unknown, isAllowed: boolean): never[] {
  const { code } = error as NodeJS.ErrnoException
  if (isAllowed && (code === 'ENOENT' || code === 'ENOTDIR')) return []
  throw error
}
