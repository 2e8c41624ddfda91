// The bytes of a blob, proven while they flow; a cut connection is taken up again where it broke.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Clock, systemClock } from '../../base/clock.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { splitDigest } from '../../oci/digest.ts'
import { readBody } from '../upstream/http-request.ts'
import { codeOf, parseRegistryError, registryErrorText } from './registry-error.ts'
import type { RegistrySession } from './registry-session.ts'

export interface FetchBlobOptions {
  signal: AbortSignal
  onProgress(doneBytes: number): void
  /** Whoever stores the bytes proves the digest: once is enough. */
  isProvenElsewhere?: boolean
  /** There is another host to ask: one that does not even begin is not asked again. */
  hasAlternative?: boolean
  clock?: Clock
  /** In a row, without a byte gained; left out: five. */
  attemptsMax?: number | undefined
}

const ATTEMPTS_MAX = 5
/** In all: a server that cuts after every few bytes is not worth more. */
const CUTS_MAX = 100
const BACKOFF_MS = 250
const BACKOFF_MAX_MS = 5000
const ERROR_BYTES_MAX = 65536

/**
 * Throws after the last byte if size or, unless somebody else proves it, digest are not what the descriptor says (`data-loss`), so whoever keeps the bytes must
 * wait for the end. Other failures: what the registry said, or the last connection's error.
 */
export async function* fetchBlob(
  session: RegistrySession,
  descriptor: Descriptor,
  options: FetchBlobOptions,
): AsyncGenerator<Buffer> {
  const { clock = systemClock, attemptsMax = ATTEMPTS_MAX } = options
  const { algorithm, hex } = splitDigest(descriptor.digest)
  const hash = options.isProvenElsewhere ? undefined : createHash(algorithm)
  let done = 0
  let cuts = 0
  for (let attempt = 1; done < descriptor.size || attempt === 1; attempt++) {
    const before = done
    try {
      for await (const part of bytesFrom(session, descriptor, done, options.signal)) {
        done += part.length
        if (done > descriptor.size) throw damaged(descriptor, 'is longer than its descriptor says')
        hash?.update(part)
        options.onProgress(done)
        yield part
      }
      if (done < descriptor.size) throw new Failure('unavailable', `${descriptor.digest}: unexpected EOF`)
      break
    } catch (error) {
      if (done > before) attempt = 1
      options.signal.throwIfAborted()
      if (options.hasAlternative && done === 0) throw error
      if (attempt >= attemptsMax || ++cuts > CUTS_MAX || !isTransient(error)) throw error
      await clock.sleep(Math.min(BACKOFF_MS * 2 ** (attempt - 1), BACKOFF_MAX_MS), options.signal)
      options.signal.throwIfAborted()
    }
  }
  if (hash !== undefined && hash.digest('hex') !== hex) throw damaged(descriptor, 'does not have that digest')
}

async function* bytesFrom(
  session: RegistrySession,
  descriptor: Descriptor,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {}
  const response = await session.request({ method: 'GET', path: `blobs/${descriptor.digest}`, headers, signal })
  const status = response.statusCode ?? 0
  if (status === 200)
    yield* skip(response, offset) // a server without ranges starts over
  else if (status === 206 && startOf(response) === offset) yield* body(response)
  else {
    const error = parseRegistryError(status, await readBody(response, ERROR_BYTES_MAX))
    throw new Failure(status === 429 ? 'unavailable' : codeOf(status), registryErrorText(error))
  }
}

async function* skip(response: IncomingMessage, count: number): AsyncGenerator<Buffer> {
  let left = count
  for await (const part of body(response)) {
    const dropped = Math.min(left, part.length)
    left -= dropped
    if (dropped < part.length) yield part.subarray(dropped)
  }
}

async function* body(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* response as AsyncIterable<Buffer>
  } catch (error) {
    throw new Failure('unavailable', error instanceof Error ? error.message : 'connection lost', { cause: error })
  } finally {
    response.destroy()
  }
}

function startOf(response: IncomingMessage): number {
  const match = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')
  return match ? Number(match[1]) : -1
}

function isTransient(error: unknown): boolean {
  return isFailure(error, 'unavailable')
}

function damaged(descriptor: Descriptor, how: string): Failure {
  return new Failure(
    'data-loss',
    `filesystem layer verification failed for digest ${descriptor.digest}: content ${how}`,
  )
}
