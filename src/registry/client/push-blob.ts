// One blob or manifest to a registry (distribution-spec, "Push").
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { readBody } from '../upstream/http-request.ts'
import { codeOf, parseRegistryError, registryErrorText } from './registry-error.ts'
import { parseLocation, type RegistrySession } from './registry-session.ts'

export interface BlobPush {
  stream(): AsyncIterable<Uint8Array>
  /** A repository of the same registry that may have the blob: then nothing needs to be sent. */
  mountFrom?: string | undefined
  signal: AbortSignal
}

export type Pushed = 'exists' | 'mounted' | 'sent'

const ANSWER_BYTES_MAX = 65536

/** In one piece, where the registry lacks it. Throws Failure with the registry's own words. */
export async function pushBlob(session: RegistrySession, blob: Descriptor, push: BlobPush): Promise<Pushed> {
  const { signal, mountFrom } = push
  if (await exists(session, `blobs/${blob.digest}`, signal)) return 'exists'
  const query = mountFrom === undefined ? '' : `?${new URLSearchParams({ mount: blob.digest, from: mountFrom })}`
  const opened = await session.request({
    method: 'POST',
    path: `blobs/uploads/${query}`,
    headers: { 'content-length': '0' },
    signal,
  })
  if (mountFrom !== undefined && opened.statusCode === 201) {
    opened.resume()
    return 'mounted'
  }
  await expectStatus(opened, 202)
  const base = new URL(`${session.scheme}://${session.endpoint.host}/`)
  const location = parseLocation(opened.headers.location ?? '', base)
  location.searchParams.set('digest', blob.digest)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) }
  const body = () => push.stream()
  await expectStatus(await session.request({ method: 'PUT', path: location, headers, body, signal }), 201)
  return 'sent'
}

/** `name`: a tag, or the manifest's digest. All that it names must be there. */
export async function pushManifest(
  session: RegistrySession,
  manifest: { descriptor: Descriptor; bytes: Uint8Array; name: string },
  signal: AbortSignal,
): Promise<void> {
  const { descriptor, bytes, name } = manifest
  const headers = { 'content-type': descriptor.mediaType }
  const path = `manifests/${name}`
  await expectStatus(await session.request({ method: 'PUT', path, headers, body: () => bytes, signal }), 201)
}

/** True where the registry has a manifest of this name, and it is this one. */
export async function hasManifest(
  session: RegistrySession,
  { mediaType, digest }: Descriptor,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const headers = { accept: `${mediaType}, */*` }
  const answer = await session.request({ method: 'HEAD', path: `manifests/${name}`, headers, signal })
  answer.resume()
  return answer.statusCode === 200 && answer.headers['docker-content-digest'] === digest
}

async function exists(session: RegistrySession, path: string, signal: AbortSignal): Promise<boolean> {
  const answer = await session.request({ method: 'HEAD', path, signal })
  answer.resume()
  return answer.statusCode === 200
}

async function expectStatus(response: Awaited<ReturnType<RegistrySession['request']>>, status: number): Promise<void> {
  const body = await readBody(response, ANSWER_BYTES_MAX)
  const got = response.statusCode ?? 0
  if (got !== status) throw new Failure(codeOf(got), registryErrorText(parseRegistryError(got, body)))
}
