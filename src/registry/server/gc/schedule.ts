// What the registry does of its own accord, each at its interval and never beside itself: collecting, purging, scrubbing.
import { messageOf } from '../../../base/failure.ts'
import type { Registry } from '../registry.ts'
import { collect } from './collect.ts'
import { purgeUploads } from './purge-uploads.ts'
import { scrub } from './scrub.ts'

/** Runs until the signal aborts; resolves when what was under way has come to a safe end. */
export async function runMaintenance(registry: Registry, signal: AbortSignal): Promise<void> {
  const { settings } = registry
  const { uploadPurging, collecting, scrubbing } = settings
  const works: Promise<void>[] = []
  if (uploadPurging.enabled)
    works.push(every(registry, 'purge', uploadPurging.intervalMs, signal, () => purgeUploads(registry, uploadPurging)))
  if (collecting.enabled)
    works.push(every(registry, 'collection', collecting.intervalMs, signal, () => collectOnce(registry)))
  if (scrubbing.enabled)
    works.push(every(registry, 'scrub', scrubbing.intervalMs, signal, () => scrubOnce(registry, signal)))
  await Promise.all(works)
}

export async function collectOnce(registry: Registry): Promise<void> {
  const { collecting } = registry.settings
  const { manifests, condemned, removed, removedBytes } = await collect(registry, { ...collecting, dryRun: false })
  registry.log.info('collected', { manifests, condemned, removed, removedBytes })
}

async function scrubOnce(registry: Registry, signal: AbortSignal): Promise<void> {
  const { blobs, bytes, bad } = await scrub(registry, signal)
  registry.log.info('scrubbed', { blobs, bytes, bad: bad.length })
}

async function every(
  { clock, log }: Registry,
  what: string,
  intervalMs: number,
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    await clock.sleep(intervalMs, signal)
    if (signal.aborted) return
    await work().catch((error) => log.error(`${what} failed`, { error: messageOf(error) }))
  }
}
