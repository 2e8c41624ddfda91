// POST /images/create: pulls an image and tells of it as it goes.
import type { ServerResponse } from 'node:http'
import type { ProgressMessage } from '../../api/image-types.ts'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { parseDigest } from '../../oci/digest.ts'
import { hostPlatform, parsePlatform } from '../../oci/parse-platform.ts'
import { familiarReference, isTag, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { encodeProgress, errorMessage } from './progress-stream.ts'
import { pullImage } from './pull-image.ts'
import { PullReporter } from './pull-progress.ts'
import { decodeAuthHeader } from './registry-auth.ts'

/** A failure before the first line of progress has a status of its own, one after it is a line of the stream. */
export async function createImage(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.query.get('fromImage') ?? ''
  if (name === '') throw new Failure('unimplemented', 'importing an image is not supported')
  const platform = readPlatform(request)
  const reference = withDefaultTag(readReference(name.replace(/:$/, ''), request.query.get('tag') ?? ''))
  const lines = new LineQueue()
  const reporter = new PullReporter({
    send: (message) => lines.push(message),
    version: request.version,
    clock: engine.clock,
    path: reference.path,
    tag: reference.tag ?? familiarReference(reference),
  })
  const auth = decodeAuthHeader(request.raw.headers)
  const pull = pullImage(engine, { reference, platform, auth, reporter, signal: request.signal }).then(
    ({ image, isNew }) => {
      const what = isNew ? 'Downloaded newer image for' : 'Image is up to date for'
      lines.push({ status: `Digest: ${image.target.digest}` })
      lines.push({ status: `Status: ${what} ${familiarReference(reference)}` })
    },
  )
  await Promise.race([lines.first, pull]).catch((error) => {
    throw registryFailure(error)
  })
  const write = async (response: ServerResponse) => {
    lines.drainTo(response)
    await pull.catch((error) => lines.push(errorMessage(request.version, messageOf(error))))
  }
  return { kind: 'stream', status: 200, contentType: 'application/json', write }
}

/**
 * That a registry is down, forbids or talks nonsense says nothing about this service or its client's request: for Docker it is an error like any other. With a
 * 401 of ours the client would ask its user for a password.
 */
function registryFailure(error: unknown): unknown {
  return isFailure(error, 'not-found') || !isFailure(error)
    ? error
    : new Failure('internal', error.message, { cause: error })
}

/** Lines wait here until the response begins. */
class LineQueue {
  #held: string[] = []
  #response: ServerResponse | undefined
  #begin: () => void = () => {}
  readonly first = new Promise<void>((resolve) => {
    this.#begin = resolve
  })

  push(message: ProgressMessage): void {
    this.#begin()
    const line = encodeProgress(message)
    if (this.#response) this.#response.write(line)
    else this.#held.push(line)
  }

  drainTo(response: ServerResponse): void {
    this.#response = response
    for (const line of this.#held.splice(0)) response.write(line)
  }
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
