// Leases: what a pull brings in belongs to nobody until its image has a name, and must not be collected before.
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt'
import { randomBytes } from 'node:crypto'
import { isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { UPLOAD_PREFIX } from '../../containerd/client/content-writer.ts'
import type { Digest } from '../../oci/digest.ts'
import { SNAPSHOTTER } from '../container/tasks.ts'
import type { Engine } from '../engine.ts'

const OWNER_LABEL = 'berth.engine.lease'
/** containerd drops a lease at this time, should this engine never come back. */
const EXPIRE_LABEL = 'containerd.io/gc.expire'
const LIFETIME_MS = 24 * 3_600_000
/** An upload that has not grown for so long is nobody's any more. */
const ABANDONED_MS = 60_000

/** Of pulls that are under way in this process. */
const held = new Set<string>()

export interface Lease extends AsyncDisposable {
  /** Whatever is written through it is held. */
  readonly client: ContainerdClient
  /** Hold what is there already, too. What is gone by then stays gone: whoever has held it looks once more. */
  readonly holdContent: (digest: Digest) => Promise<void>
  readonly holdSnapshot: (chainId: Digest) => Promise<void>
}

/** Ends with its scope; what has no other owner by then goes, before the scope is left. */
export async function takeLease(client: ContainerdClient, engineId: string, nowMs: number): Promise<Lease> {
  const id = `pull-${randomBytes(8).toString('hex')}`
  const expires = new Date(nowMs + LIFETIME_MS).toISOString()
  held.add(id)
  await client.leases.create({ id, labels: { [OWNER_LABEL]: engineId, [EXPIRE_LABEL]: expires } }).catch((error) => {
    held.delete(id)
    throw error
  })
  const hold = async (type: string, resourceId: string) => {
    await client.leases.addResource({ id, resource: { type, id: resourceId } })
  }
  return {
    client: client.withLease(id),
    holdContent: (digest) => hold('content', digest),
    holdSnapshot: (chainId) => hold(`snapshots/${SNAPSHOTTER}`, chainId),
    [Symbol.asyncDispose]: async () => {
      held.delete(id)
      await dropLease(client, id)
    },
  }
}

/** A killed engine leaves its leases and its uploads, and so does a pull that containerd died under; nothing of theirs is under way any more. */
export async function dropOldLeases({
  containerd: client,
  id: engineId,
  peer,
}: Pick<Engine, 'containerd' | 'id' | 'peer'>): Promise<void> {
  if (held.size === 0) await abortUploads(client, peer.isOwn ? 0 : ABANDONED_MS)
  const { leases } = await client.leases.list({ filters: [] })
  for (const { id, labels } of leases)
    if (labels[OWNER_LABEL] === engineId && !held.has(id)) await dropLease(client, id)
}

/** Whoever writes one of them at this moment keeps it: our containerd refuses to throw it away; with another one, so does its age. */
async function abortUploads(client: ContainerdClient, ageMs: number): Promise<void> {
  const { statuses } = await client.content.listStatuses({ filters: [] })
  const isOld = (updatedAt: Timestamp | undefined) =>
    updatedAt === undefined || timestampMs(updatedAt) + ageMs <= Date.now()
  const refs = statuses.flatMap(({ ref, updatedAt }) =>
    ref.startsWith(UPLOAD_PREFIX) && isOld(updatedAt) ? [ref] : [],
  )
  await Promise.allSettled(refs.map((ref) => client.content.abort({ ref })))
}

async function dropLease(client: ContainerdClient, id: string): Promise<void> {
  try {
    await client.leases.delete({ id, sync: true })
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
  }
}
