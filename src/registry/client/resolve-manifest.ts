// A manifest or an index by tag or digest, with its bytes proven.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, digestOf, parseDigest } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { type Index, MANIFEST_BYTES_MAX, type Manifest, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import type { Reference } from '../../oci/reference.ts'
import { readBody } from '../upstream/http-request.ts'
import { parseChallenges } from '../upstream/parse-challenge.ts'
import { manifestFailure, parseRegistryError, type RegistryError } from './registry-error.ts'
import type { RegistrySession } from './registry-session.ts'

export interface ResolvedManifest {
  descriptor: Descriptor
  bytes: Buffer
  document: Manifest | Index
}

const ACCEPT = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.dockerManifest,
  // Asked for too, so that an old image is refused by its kind and not as missing.
  MEDIA_TYPE.dockerSchema1Signed,
].join(', ')

/** Throws Failure in Docker's words, or in those of `refuse`; `data-loss` where the bytes are not those of the digest. */
export async function resolveManifest(
  session: RegistrySession,
  reference: Reference,
  signal: AbortSignal,
  refuse: typeof manifestFailure = manifestFailure,
): Promise<ResolvedManifest> {
  const wanted = reference.digest ?? reference.tag ?? 'latest'
  const response = await session.request({
    method: 'GET',
    path: `manifests/${wanted}`,
    headers: { accept: ACCEPT },
    signal,
  })
  const status = response.statusCode ?? 0
  const bytes = await readBody(response, MANIFEST_BYTES_MAX)
  if (status !== 200) throw refuse(reference, status, refusal(response) ?? parseRegistryError(status, bytes))
  const announced = (response.headers['content-type'] ?? '').split(';')[0]!.trim()
  const header = response.headers['docker-content-digest']
  const digest = reference.digest ?? (typeof header === 'string' ? parseDigest(header) : digestOf(bytes))
  if (computeDigest(bytes, digest) !== digest)
    throw new Failure('data-loss', `manifest verification failed for digest ${digest}`)
  const mediaType = announced === 'application/json' || announced === 'text/plain' ? '' : announced
  const document = parseManifestOrIndex(bytes, mediaType)
  return { descriptor: { mediaType: document.mediaType, digest, size: bytes.length }, bytes, document }
}

/** Docker Hub answers for a repository that is private or missing with a challenge that says so, whatever its body says. */
function refusal({ statusCode, headers }: IncomingMessage): RegistryError | undefined {
  if (statusCode !== 401) return undefined
  const challenges = parseChallenges(headers['www-authenticate'] ?? '')
  return challenges.some(({ parameters }) => parameters['error'] === 'insufficient_scope')
    ? { code: 'DENIED', message: 'requested access to the resource is denied' }
    : undefined
}

/** With the algorithm of `like`. */
function computeDigest(bytes: Buffer, like: Digest): Digest {
  const algorithm = like.slice(0, like.indexOf(':'))
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}
