// Counting on a blob while the collector may be at work: whoever is about to refer to one takes its mark away first and looks then.
import { type Clock, within } from '../../../base/clock.ts'
import type { Digest } from '../../../oci/digest.ts'
import { ApiError } from '../api-error.ts'
import type { RegistryStore } from '../storage/store.ts'

/** A collector that has claimed a blob needs the time of one removal. */
const CLAIM_MS = 10_000
const POLL_MS = 20

/**
 * The blob's size; undefined when it is not there. One that is will not be collected before a whole grace period has passed again.
 * Throws UNAVAILABLE when a collector does not come to an end.
 */
export async function holdBlob(store: RegistryStore, digest: Digest, clock: Clock): Promise<number | undefined> {
  const settled = async (): Promise<void> => {
    while ((await store.pardonBlob(digest)) === 'claimed') await clock.sleep(POLL_MS)
  }
  if (!(await within(clock, CLAIM_MS, settled())))
    throw new ApiError('UNAVAILABLE', { detail: `${digest} is being removed`, headers: { 'retry-after': '10' } })
  return store.statBlob(digest)
}
