// Throws away what an upload has left, once nobody writes it any more.
import { systemClock } from '../../base/clock.ts'
import { isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from './client.ts'

const ATTEMPTS = 50
const RETRY_MS = 20

/**
 * A containerd gives an upload's lock up a moment after its stream has broken. What can't be thrown away, since containerd is not there, is swept
 * at its next start; what is gone is.
 * @param isWanted somebody writes it again.
 */
export async function abortUpload(client: ContainerdClient, ref: string, isWanted = () => false): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS && !isWanted(); attempt++) {
    try {
      await client.content.abort({ ref })
      return
    } catch (error) {
      if (!isFailure(error, 'unavailable') || !error.message.includes('locked')) return
      await systemClock.sleep(RETRY_MS)
    }
  }
}
