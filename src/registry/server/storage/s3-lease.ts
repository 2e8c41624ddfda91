// A lock in a bucket: an object with its holder's name, written under a condition, and empty while nobody holds it. Who was killed holds it
// until whoever waits has seen it unchanged for a whole term; no two nodes' clocks are compared.
import { randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '../../../base/clock.ts'
import { Failure } from '../../../base/failure.ts'
import type { S3Client } from './s3-client.ts'

const TERM_MS = 20_000
/** A holder whose work is not done by then gives it up: what it then asks of S3 has the rest of the term to get there. */
const WORK_MS = 10_000
const WAIT_MS = 120_000
const POLL_MIN_MS = 20
const POLL_MAX_MS = 200

/** Does `work` while nobody else holds the lock. `mustHold` throws Failure('unavailable') once that may no longer be so. */
export async function withLease<T>(
  client: S3Client,
  key: string,
  work: (mustHold: () => void) => Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  const { version, since } = await acquire(client, key, clock)
  try {
    return await work(() => {
      if (clock.now() - since > WORK_MS) throw new Failure('unavailable', `${key} was held for too long`)
    })
  } finally {
    await client.put(key, '', { ifMatch: version }).catch(() => {}) // the term ends it
  }
}

async function acquire(client: S3Client, key: string, clock: Clock): Promise<{ version: string; since: number }> {
  const own = randomUUID()
  const end = clock.now() + WAIT_MS
  let seen = { version: '', since: 0 }
  while (clock.now() < end) {
    const now = clock.now()
    const found = await client.getText(key)
    // Its own name is there when the answer to the writing was lost.
    if (found?.text === own) return { version: found.etag, since: seen.since }
    if (found !== undefined && found.etag !== seen.version) seen = { version: found.etag, since: now }
    const isFree = found === undefined || found.text === '' || now - seen.since > TERM_MS
    const condition = found === undefined ? ({ ifNoneMatch: '*' } as const) : { ifMatch: found.etag }
    const version = isFree ? await client.putVersion(key, own, condition) : undefined
    if (version !== undefined) return { version, since: now }
    await clock.sleep(POLL_MIN_MS + Math.random() * (POLL_MAX_MS - POLL_MIN_MS))
  }
  throw new Failure('unavailable', `${key} is held by others`)
}
