// Other programs may change containerd's images too (ctr, nerdctl): its events say when what we remember is old.
import type { Clock } from '../../base/clock.ts'
import { isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { subscribe } from '../../containerd/client/subscribe.ts'

const RETRY_MS = 500

/** Calls `onChange(true)` when it begins to follow and at each event, `onChange(false)` when it has lost containerd. Ends with the signal. */
export async function watchImageChanges(
  client: ContainerdClient,
  clock: Clock,
  signal: AbortSignal,
  onChange: (isWatching: boolean) => void,
): Promise<void> {
  const filters = [`namespace==${client.namespace},topic~="^/images/"`]
  while (!signal.aborted) {
    try {
      const events = subscribe(client, filters, { signal, clock, onBegun: () => onChange(true) })
      for await (const _ of events) onChange(true)
    } catch (error) {
      if (!signal.aborted && !isFailure(error, 'unavailable', 'cancelled', 'internal')) throw error
    } finally {
      onChange(false)
    }
    await clock.sleep(RETRY_MS, signal)
  }
}
