// Manifests of a registry, asked for by the client itself: what `manifest` reads and pushes.
import { Failure, isFailure, messageOf, withSubject } from '../../base/failure.ts'
import { formatReference } from '../../oci/parse-reference.ts'
import { IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import type { Manifest } from '../../oci/parse-manifest.ts'
import type { Reference } from '../../oci/reference.ts'
import { withCertificates } from '../../registry/client/configured-endpoints.ts'
import { CERTS_DIRECTORY } from '../../registry/upstream/tls-files.ts'
import { isLoopback } from '../../registry/client/endpoint.ts'
import { fetchBlob } from '../../registry/client/fetch-blob.ts'
import { codeOf, parseRegistryError, registryErrorText } from '../../registry/client/registry-error.ts'
import { RegistrySession } from '../../registry/client/registry-session.ts'
import { type ResolvedManifest, resolveManifest } from '../../registry/client/resolve-manifest.ts'
import { readBody } from '../../registry/upstream/http-request.ts'
import type { RegistryAuth } from '../../registry/upstream/registry-auth.ts'
import type { Shell } from '../command.ts'
import { findCredentials, HUB } from '../connection/credentials.ts'
import type { ListedManifest, ListedPlatform } from './manifest-store.ts'

const HUB_HOST = 'registry-1.docker.io'
const ANSWER_BYTES_MAX = 65536
/** Of one exchange with a registry that does not answer. */
const TIMEOUT_MS = 300_000
const IMAGES_MAX = 1000

/** How the client reaches registries. */
export interface RegistryWorld {
  shell: Shell
  /** `--insecure`: certificates are not verified, and a registry that speaks no TLS is spoken to without. */
  insecure: boolean
}

async function openSession(
  { shell, insecure }: RegistryWorld,
  to: Reference,
  scheme: 'http' | 'https',
  actions: string,
): Promise<RegistrySession> {
  const isHub = to.domain === 'docker.io'
  const trusts = insecure || isLoopback(to.domain)
  const auth = async (): Promise<RegistryAuth | undefined> => {
    // What a helper complains of is as good as nothing, as the Docker CLI has it here.
    const key = isHub ? HUB : to.domain
    const found = await findCredentials(shell.config, key, shell.env).catch(() => undefined)
    if (found === undefined) return undefined
    const { username, password, identitytoken } = found
    return identitytoken ? { identityToken: identitytoken } : { username, password }
  }
  const plain = { host: isHub ? HUB_HOST : to.domain, schemes: [scheme], insecure: trusts, isMirror: false }
  const endpoint = await withCertificates(plain, CERTS_DIRECTORY)
  return new RegistrySession(endpoint, { repository: to.path, actions, auth })
}

const signal = () => AbortSignal.timeout(TIMEOUT_MS)
const noSuch = (reference: Reference) => new Failure('not-found', `no such manifest: ${formatReference(reference)}`)
const speaksNoTls = (error: unknown) => messageOf(error).includes('server gave HTTP response to HTTPS client')

/** Also where the line itself fails: the words of a failed ping. */
async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isFailure(error, 'unavailable') && /^\w+ "[^"]*\/v2\/": /.test(error.message))
      throw withSubject('failed to configure transport: error pinging v2 registry', error)
    throw error
  }
}

/** A registry without TLS is read only where that was allowed, even on loopback: its manifests are none, otherwise. */
async function read(
  world: RegistryWorld,
  reference: Reference,
): Promise<{ session: RegistrySession; found: ResolvedManifest }> {
  const attempt = async (scheme: 'http' | 'https') => {
    const session = await openSession(world, reference, scheme, 'pull')
    const found = await resolveManifest(session, reference, signal(), (_reference, status, error) =>
      ['UNAUTHORIZED', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN'].includes(error.code)
        ? noSuch(reference)
        : new Failure(codeOf(status), registryErrorText(error)),
    )
    return { session, found }
  }
  try {
    return await attempt('https')
  } catch (error) {
    if (!speaksNoTls(error)) throw await reach(() => Promise.reject(error)).catch((told: unknown) => told)
    if (!world.insecure) throw noSuch(reference)
    return reach(() => attempt('http'))
  }
}

/** What is under a name: an image, or the images of a list. */
export async function fetchImages(
  world: RegistryWorld,
  reference: Reference,
): Promise<{ kind: 'image'; image: ListedManifest } | { kind: 'list'; images: ListedManifest[] }> {
  const { session, found } = await read(world, reference)
  const { document } = found
  if (document.kind === 'manifest')
    return { kind: 'image', image: await listed(session, reference, found, document, undefined) }
  if (document.manifests.length > IMAGES_MAX)
    throw new Failure('resource-exhausted', `${formatReference(reference)} lists more than ${IMAGES_MAX} images`)
  // Features of a platform are no part of what the engine reads of a list.
  const entries = (JSON.parse(found.bytes.toString('utf8')) as { manifests: { platform?: ListedPlatform }[] }).manifests
  const images: ListedManifest[] = []
  for (const [index, child] of document.manifests.entries()) {
    const ref = { ...reference, digest: child.digest }
    const inner = await resolveManifest(session, ref, signal(), (_reference, status, error) =>
      ['UNAUTHORIZED', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN'].includes(error.code)
        ? noSuch(reference)
        : new Failure(codeOf(status), registryErrorText(error)),
    )
    if (inner.document.kind !== 'manifest')
      throw new Failure('invalid-argument', 'unsupported manifest type: *manifestlist.DeserializedManifestList')
    const platform = entries[index]?.platform ?? { architecture: '', os: '' }
    images.push(await listed(session, ref, inner, inner.document, platform))
  }
  return { kind: 'list', images }
}

/** One image. Throws where the name is that of a list. */
export async function fetchImage(world: RegistryWorld, reference: Reference): Promise<ListedManifest> {
  const { session, found } = await read(world, reference)
  if (found.document.kind === 'index')
    throw new Failure('invalid-argument', `${formatReference(reference)} is a manifest list`)
  return listed(session, reference, found, found.document, undefined)
}

/** @param platform as the list has it; else it is what the image's configuration says. */
async function listed(
  session: RegistrySession,
  reference: Reference,
  { descriptor, bytes }: ResolvedManifest,
  manifest: Manifest,
  platform: ListedPlatform | undefined,
): Promise<ListedManifest> {
  const { mediaType, digest, size } = descriptor
  return {
    ref: formatReference(reference),
    descriptor: { mediaType, digest, size, platform: platform ?? (await platformOf(session, manifest)) },
    raw: bytes,
    text: bytes.toString('utf8'),
  }
}

async function platformOf(session: RegistrySession, { config }: Manifest): Promise<ListedPlatform> {
  if (config.size > IMAGE_CONFIG_BYTES_MAX)
    throw new Failure('resource-exhausted', `configuration is larger than ${IMAGE_CONFIG_BYTES_MAX} bytes`)
  const parts: Uint8Array[] = []
  for await (const part of fetchBlob(session, config, { signal: signal(), onProgress() {} })) parts.push(part)
  const { architecture, os, variant, 'os.version': version } = parseImageConfig(Buffer.concat(parts))
  return { architecture, os, ...(version ? { 'os.version': version } : {}), ...(variant ? { variant } : {}) }
}

/** Where a push goes: loopback is spoken to without TLS, others with it, or without where they have none and that was allowed. */
export async function openForPush(world: RegistryWorld, target: Reference): Promise<RegistrySession> {
  if (isLoopback(target.domain)) return openSession(world, target, 'http', 'pull,push')
  const session = await openSession(world, target, 'https', 'pull,push')
  try {
    const answer = await reach(() => session.request({ method: 'GET', path: 'tags/list', signal: signal() }))
    await readBody(answer, ANSWER_BYTES_MAX).catch(() => undefined) // only that there was an answer matters
    return session
  } catch (error) {
    if (!speaksNoTls(error) || !world.insecure) throw error
    return openSession(world, target, 'http', 'pull,push')
  }
}

/** False where the registry would have the blob sent instead. `from`: `host/repository@digest`, to be shown. */
export async function mountBlob(
  session: RegistrySession,
  { digest, repository, from, to }: { digest: string; repository: string; from: string; to: string },
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from: repository })
  const answer = await reach(() =>
    session.request({
      ...{ method: 'POST' as const, path: `blobs/uploads/?${query}`, headers: { 'content-length': '0' } },
      signal: signal(),
    }),
  )
  const body = await readBody(answer, ANSWER_BYTES_MAX)
  const status = answer.statusCode ?? 0
  if (status === 201) return true
  if (status === 202) return false
  throw new Failure(
    codeOf(status),
    `failed to mount blob ${from} to ${to}: ${registryErrorText(parseRegistryError(status, body))}`,
  )
}

/** Resolves with the digest that the registry gives it. */
export async function putManifest(
  session: RegistrySession,
  manifest: { bytes: Uint8Array; mediaType: string; name: string; ref: string },
): Promise<string> {
  const { bytes, mediaType, name, ref } = manifest
  const answer = await reach(() =>
    session.request({
      ...{ method: 'PUT' as const, path: `manifests/${name}`, headers: { 'content-type': mediaType } },
      body: () => bytes,
      signal: signal(),
    }),
  )
  const body = await readBody(answer, ANSWER_BYTES_MAX)
  const status = answer.statusCode ?? 0
  if (status >= 200 && status < 400) return String(answer.headers['docker-content-digest'] ?? '')
  throw new Failure(
    codeOf(status),
    `failed to put manifest ${ref}: ${registryErrorText(parseRegistryError(status, body))}`,
  )
}
