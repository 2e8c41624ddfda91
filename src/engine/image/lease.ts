// Leases: what a pull brings in belongs to nobody until its image has a name, and must not be collected before.
import { randomBytes } from 'node:crypto'
import { isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'

const OWNER_LABEL = 'berth.engine.lease'
/** containerd drops a lease at this time, should this engine never come back. */
const EXPIRE_LABEL = 'containerd.io/gc.expire'
const LIFETIME_MS = 24 * 3_600_000

export interface Lease extends AsyncDisposable {
  /** Whatever is written through it is held. */
  readonly client: ContainerdClient
}

/** Ends with its scope; what has no other owner by then goes, before the scope is left. */
export async function takeLease(client: ContainerdClient, engineId: string, nowMs: number): Promise<Lease> {
  const id = `pull-${randomBytes(8).toString('hex')}`
  const expires = new Date(nowMs + LIFETIME_MS).toISOString()
  await client.leases.create({ id, labels: { [OWNER_LABEL]: engineId, [EXPIRE_LABEL]: expires } })
  return {
    client: client.withLease(id),
    [Symbol.asyncDispose]: () => dropLease(client, id),
  }
}

/** A killed engine leaves its leases; nothing of theirs is under way any more. */
export async function dropOldLeases(client: ContainerdClient, engineId: string): Promise<void> {
  const { leases } = await client.leases.list({ filters: [] })
  for (const lease of leases) if (lease.labels[OWNER_LABEL] === engineId) await dropLease(client, lease.id)
}

async function dropLease(client: ContainerdClient, id: string): Promise<void> {
  try {
    await client.leases.delete({ id, sync: true })
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
  }
}
