// POST /images/create: pulls an image, or imports one, and tells of it as it goes.
import { Failure, isFailure } from '../../base/failure.ts'
import { parseDigest } from '../../oci/digest.ts'
import { hostPlatform, parsePlatform } from '../../oci/parse-platform.ts'
import { familiarReference, isTag, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { answerWithProgress } from './progress-response.ts'
import { importImage } from './import.ts'
import { pullImage } from './pull-image.ts'
import { PullReporter } from './pull-progress.ts'
import { decodeAuthHeader } from './registry-auth.ts'

/** A failure before the first line of progress has a status of its own, one after it is a line of the stream. */
export async function createImage(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.query.get('fromImage') ?? ''
  if (name === '') return await importImage(engine, request)
  const platform = readPlatform(request)
  const reference = withDefaultTag(readReference(name.replace(/:$/, ''), request.query.get('tag') ?? ''))
  const auth = decodeAuthHeader(request.raw.headers)
  return await answerWithProgress(request, async (send) => {
    const reporter = new PullReporter({
      send,
      version: request.version,
      clock: engine.clock,
      path: reference.path,
      tag: reference.tag ?? familiarReference(reference),
    })
    const options = { reference, platform, auth, reporter, signal: request.signal }
    const { image, isNew } = await pullImage(engine, options).catch((error) => {
      throw registryFailure(error)
    })
    const what = isNew ? 'Downloaded newer image for' : 'Image is up to date for'
    send({ status: `Digest: ${image.target.digest}` })
    send({ status: `Status: ${what} ${familiarReference(reference)}` })
  })
}

/**
 * That a registry is down, forbids or talks nonsense says nothing about this service or its client's request: for Docker it is an error like any other. With a
 * 401 of ours the client would ask its user for a password.
 */
export function registryFailure(error: unknown): unknown {
  return isFailure(error, 'not-found') || !isFailure(error)
    ? error
    : new Failure('internal', error.message, { cause: error })
}

function readPlatform(request: ApiRequest): Platform {
  const text = request.query.get('platform') ?? ''
  return text === '' || !request.version.atLeast('1.32') ? hostPlatform() : parsePlatform(text)
}

/** `tag` may be a digest: that is how clients send `name@sha256:…`. */
function readReference(name: string, tag: string): Reference {
  const reference = parseReference(name)
  if (tag === '') return reference
  if (tag.includes(':')) return { ...reference, tag: undefined, digest: parseDigest(tag) }
  if (!isTag(tag)) throw new Failure('invalid-argument', 'invalid tag format')
  return { ...reference, tag, digest: undefined }
}
