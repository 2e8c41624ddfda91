// Uploads that nobody finishes: what a client or a crash left behind.
import type { Registry } from '../registry.ts'

/** Removes those that began more than `ageMs` ago, and what else crashes have left half written since; gives the number of what went. */
export async function purgeUploads(
  { store, clock, log, uploads, hashes }: Registry,
  { ageMs, dryRun }: { ageMs: number; dryRun: boolean },
): Promise<number> {
  let count = 0
  for (const name of await store.listAllRepositories())
    for await (const id of store.listUploads(name)) {
      const state = await store.statUpload(name, id)
      if (state === undefined || state.startedAt > clock.now() - ageMs) continue
      log.info('upload is abandoned', { repository: name, id, size: state.size })
      count++
      if (dryRun) continue
      hashes.forget(id)
      await uploads.run(id, () => store.removeUpload(name, id))
    }
  if (!dryRun) count += await store.removeLeftovers(clock.now() - ageMs)
  return count
}
