// The bytes of a blob, proven while they flow; a cut connection is taken up again where it broke.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { inBatches } from '../../base/batches.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { splitDigest } from '../../oci/digest.ts'
import { readBody } from '../upstream/http-request.ts'
import { paced, SlowAnswer } from '../upstream/paced-body.ts'
import { rangeMistake } from './content-range.ts'
import { codeOf, parseRegistryError, registryErrorText } from './registry-error.ts'
import type { RegistrySession } from './registry-session.ts'

export interface FetchBlobOptions {
  signal: AbortSignal
  /** Counts from the blob's beginning. */
  onProgress(doneBytes: number): void
  /** Bytes of it that are here from an earlier time: what comes is the rest, and whoever puts them together proves the digest. */
  offset?: number
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

/** The registry has said when to come again, and that is longer than anyone waits: asking at once would be rude. */
class Busy extends Failure {}

/** One download, over all its connections. */
interface Download {
  session: RegistrySession
  descriptor: Descriptor
  signal: AbortSignal
  clock: Clock
  /** Until its answer to one is wrong. */
  servesRanges: boolean
}

/**
 * Throws after the last byte if size or, unless somebody else proves it, digest are not what the descriptor says (`data-loss`), so whoever keeps the bytes must
 * wait for the end. Other failures: what the registry said, or the last connection's error. Never more bytes than the descriptor says.
 */
export async function* fetchBlob(
  session: RegistrySession,
  descriptor: Descriptor,
  options: FetchBlobOptions,
): AsyncGenerator<Buffer> {
  const { clock = systemClock, attemptsMax = ATTEMPTS_MAX, offset = 0, signal } = options
  const { algorithm, hex } = splitDigest(descriptor.digest)
  const hash = options.isProvenElsewhere || offset > 0 ? undefined : createHash(algorithm)
  const download: Download = { session, descriptor, signal, clock, servesRanges: true }
  let done = offset
  let cuts = 0
  for (let attempt = 1; done < descriptor.size || done === 0; attempt++) {
    const before = done
    try {
      for await (const part of bytesFrom(download, done)) {
        done += part.length
        if (done > descriptor.size) throw damaged(descriptor, 'is longer than its descriptor says')
        hash?.update(part)
        options.onProgress(done)
        yield part
      }
      if (done < descriptor.size) throw new Failure('unavailable', `${descriptor.digest}: unexpected EOF`)
      break
    } catch (error) {
      // Of drops there could be enough for years.
      if (done > before && !(error instanceof SlowAnswer)) attempt = 1
      signal.throwIfAborted()
      if (options.hasAlternative && done === offset) throw error
      if (attempt >= attemptsMax || ++cuts > CUTS_MAX || !isTransient(error)) throw error
      await clock.sleep(Math.min(BACKOFF_MS * 2 ** (attempt - 1), BACKOFF_MAX_MS), signal)
      signal.throwIfAborted()
    }
  }
  if (hash !== undefined && hash.digest('hex') !== hex) throw damaged(descriptor, 'does not have that digest')
}

/** A server whose answer to a range is wrong, or which has no such range, is asked for the whole: what is here of that is passed over. */
async function* bytesFrom(download: Download, offset: number): AsyncGenerator<Buffer> {
  const { descriptor } = download
  if (offset > 0 && download.servesRanges) {
    const response = await ask(download, { range: `bytes=${offset}-` })
    if (response.statusCode === 200) return yield* whole(download, response, offset)
    const isPart = response.statusCode === 206
    if (isPart && rangeMistake(response.headers['content-range'], offset, descriptor.size) === undefined)
      return yield* body(download, response)
    if (!isPart && response.statusCode !== 416) throw await refusal(response)
    response.destroy()
    download.servesRanges = false
  }
  const response = await ask(download, {})
  if (response.statusCode !== 200) throw await refusal(response)
  yield* whole(download, response, offset)
}

function ask({ session, descriptor, signal }: Download, headers: Record<string, string>): Promise<IncomingMessage> {
  return session.request({ method: 'GET', path: `blobs/${descriptor.digest}`, headers, signal })
}

async function refusal(response: IncomingMessage): Promise<Failure> {
  const status = response.statusCode ?? 0
  // However much it has to say of it, that it refuses is known.
  const words = await readBody(response, ERROR_BYTES_MAX).catch(() => Buffer.alloc(0))
  const text = registryErrorText(parseRegistryError(status, words))
  const isBusy = status === 429 || status === 503
  if (isBusy && response.headers['retry-after'] !== undefined) return new Busy('unavailable', text)
  return new Failure(isBusy ? 'unavailable' : codeOf(status), text)
}

async function* whole(download: Download, response: IncomingMessage, offset: number): AsyncGenerator<Buffer> {
  if (Number(response.headers['content-length'] ?? 0) > download.descriptor.size) {
    response.destroy()
    throw damaged(download.descriptor, 'is longer than its descriptor says')
  }
  let left = offset
  for await (const part of body(download, response)) {
    const dropped = Math.min(left, part.length)
    left -= dropped
    if (dropped < part.length) yield part.subarray(dropped)
  }
}

async function* body({ clock }: Download, response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* paced(inBatches(response), { clock })
  } catch (error) {
    if (isFailure(error)) throw error
    throw new Failure('unavailable', isEnd(error) ? 'unexpected EOF' : messageOf(error), { cause: error })
  } finally {
    response.destroy()
  }
}

/** The connection has ended before the answer had: Node's `aborted`, in Go's words. */
function isEnd(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET' && error.message === 'aborted'
}

function isTransient(error: unknown): boolean {
  return isFailure(error, 'unavailable') && !(error instanceof Busy)
}

/** What came is not what the descriptor says. */
export function damaged(descriptor: Descriptor, how: string, cause?: unknown): Failure {
  const text = `filesystem layer verification failed for digest ${descriptor.digest}: content ${how}`
  return new Failure('data-loss', text, { cause })
}
