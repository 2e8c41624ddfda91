// Leases: what a pull brings in belongs to nobody until its image has a name, and must not be collected before.
import { randomBytes } from 'node:crypto'
import { isFailure, messageOf } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { Digest } from '../../oci/digest.ts'
import { SNAPSHOTTER } from '../container/tasks.ts'
import type { Engine } from '../engine.ts'

export const OWNER_LABEL = 'berth.engine.lease'
/** containerd drops a lease at this time, should this engine never come back. */
export const EXPIRE_LABEL = 'containerd.io/gc.expire'
const LIFETIME_MS = 24 * 3_600_000

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

/**
 * Behind the answer: to end a lease waits until what it held is on the disk. A pull that power loss takes within that time is as if it had never been
 * (docs/decisions/metadata-journal.md).
 */
export function endLater(engine: Pick<Engine, 'phase' | 'log'>, scope: AsyncDisposable): void {
  scope[Symbol.asyncDispose]().then(undefined, (error: unknown) => {
    if (!engine.phase.isEnding) engine.log.warn('lease is not ended', { error: messageOf(error) })
  })
}

/** Of a pull, load or the like that is under way in this process. */
export function isHeld(leaseId: string): boolean {
  return held.has(leaseId)
}

export function isAnyHeld(): boolean {
  return held.size > 0
}

/** @param sync what it alone held is gone when this resolves. */
export async function dropLease(client: ContainerdClient, id: string, sync = true): Promise<void> {
  try {
    await client.leases.delete({ id, sync })
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
  }
}
