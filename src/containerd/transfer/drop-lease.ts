// A transfer's lease, and what was half written under it, go.
import { isFailure } from '../../base/failure.ts'
import type { KeptTransfersDeps } from './kept-transfers.ts'

/** Never rejects: what is left the next start sweeps. */
export async function dropLease(
  { leases, content, collector, log }: KeptTransfersDeps,
  namespace: string,
  id: string,
): Promise<void> {
  try {
    for (const resource of leases.listResources(namespace, id))
      if (resource.type === 'ingests') await content.abort(namespace, resource.id).catch(ifGone)
    leases.delete(namespace, id)
  } catch (error) {
    if (!isFailure(error, 'not-found')) log.warn('dropping a transfer’s lease', { id, error: String(error) })
  }
  collector.schedule()
}

/** Somebody else's upload of the same name, or one that has become a blob. */
export function ifGone(error: unknown): void {
  if (!isFailure(error, 'not-found', 'unavailable')) throw error
}
