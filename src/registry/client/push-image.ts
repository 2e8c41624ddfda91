// Uploads an image: blobs that the registry lacks, each in one piece, then the manifest.
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { endpointOf } from './endpoint.ts'
import { readBody } from './http-request.ts'
import type { RegistryAuth } from './puller.ts'
import { codeOf, parseRegistryError, registryErrorText } from './registry-error.ts'
import { parseLocation, RegistrySession } from './registry-session.ts'

/** Where the image's blobs are: an OCI layout, a content store. */
export interface BlobSource {
  read(descriptor: Descriptor, sizeMax: number): Promise<Uint8Array>
  stream(descriptor: Descriptor): AsyncIterable<Uint8Array>
}

export interface PushRequest {
  reference: Reference
  /** A manifest, or an index whose manifests are all there. */
  root: Descriptor
  source: BlobSource
  auth: RegistryAuth | undefined
  insecureRegistries: readonly string[]
  signal: AbortSignal
}

const ANSWER_BYTES_MAX = 65536

/** Throws Failure with the registry's own words. */
export async function pushImage(request: PushRequest): Promise<void> {
  const reference = withDefaultTag(request.reference)
  const endpoint = endpointOf(reference.domain, request.insecureRegistries)
  const session = new RegistrySession(endpoint, {
    repository: reference.path,
    actions: 'pull,push',
    auth: request.auth,
  })
  await pushTree(request, session, request.root, reference.tag ?? request.root.digest)
}

async function pushTree(request: PushRequest, session: RegistrySession, root: Descriptor, name: string): Promise<void> {
  const bytes = await request.source.read(root, MANIFEST_BYTES_MAX)
  const document = parseManifestOrIndex(bytes, root.mediaType)
  if (document.kind === 'index')
    for (const child of document.manifests) await pushTree(request, session, child, child.digest)
  else for (const blob of [document.config, ...document.layers]) await pushBlob(request, session, blob)
  const headers = { 'content-type': root.mediaType }
  const { signal } = request
  const response = await session.request({
    method: 'PUT',
    path: `manifests/${name}`,
    headers,
    body: () => bytes,
    signal,
  })
  await expectStatus(response, 201)
}

async function pushBlob(request: PushRequest, session: RegistrySession, blob: Descriptor): Promise<void> {
  const { signal } = request
  const there = await session.request({ method: 'HEAD', path: `blobs/${blob.digest}`, signal })
  there.resume()
  if (there.statusCode === 200) return
  const opened = await session.request({
    method: 'POST',
    path: 'blobs/uploads/',
    headers: { 'content-length': '0' },
    signal,
  })
  await expectStatus(opened, 202)
  const base = new URL(`${session.scheme}://${session.endpoint.host}/`)
  const location = parseLocation(opened.headers.location ?? '', base)
  location.searchParams.set('digest', blob.digest)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) }
  const body = () => request.source.stream(blob)
  await expectStatus(await session.request({ method: 'PUT', path: location, headers, body, signal }), 201)
}

async function expectStatus(response: Awaited<ReturnType<RegistrySession['request']>>, status: number): Promise<void> {
  const body = await readBody(response, ANSWER_BYTES_MAX)
  const got = response.statusCode ?? 0
  if (got !== status) throw new Failure(codeOf(got), registryErrorText(parseRegistryError(got, body)))
}
