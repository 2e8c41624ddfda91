// What earlier engines, or work that containerd died under, have left half made.
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { UPLOAD_PREFIX } from '../../containerd/client/content-writer.ts'
import type { Engine } from '../engine.ts'
import { isPullLease, listKeptUploads, sweepKeptPulls } from './kept-pulls.ts'
import { dropLease, isAnyHeld, isHeld, OWNER_LABEL } from './lease.ts'

/** An upload that has not grown for so long is nobody's any more. */
const ABANDONED_MS = 60_000

/**
 * A killed engine leaves its leases and its uploads, and so does a pull that containerd died under; nothing of theirs is under way any more. What a pull has
 * brought in waits for the next one, for its time.
 */
export async function dropOldLeases(engine: Pick<Engine, 'containerd' | 'id' | 'peer' | 'clock'>): Promise<void> {
  const { containerd: client, id: engineId, peer } = engine
  const { leases } = await client.leases.list({ filters: [] })
  for (const lease of leases)
    if (lease.labels[OWNER_LABEL] === engineId && !isHeld(lease.id) && !isPullLease(lease))
      await dropLease(client, lease.id)
  await sweepKeptPulls(engine)
  if (!isAnyHeld()) await abortUploads(client, peer.isOwn ? 0 : ABANDONED_MS)
}

/** Whoever writes one of them at this moment keeps it: our containerd refuses to throw it away; with another one, so does its age. */
async function abortUploads(client: ContainerdClient, ageMs: number): Promise<void> {
  const [{ statuses }, kept] = await Promise.all([
    client.content.listStatuses({ filters: [] }),
    listKeptUploads(client),
  ])
  const isOld = (updatedAt: Timestamp | undefined) =>
    updatedAt === undefined || timestampMs(updatedAt) + ageMs <= Date.now()
  const refs = statuses.flatMap(({ ref, updatedAt }) =>
    ref.startsWith(UPLOAD_PREFIX) && !kept.has(ref) && isOld(updatedAt) ? [ref] : [],
  )
  await Promise.allSettled(refs.map((ref) => client.content.abort({ ref })))
}
