// Uploads an image: blobs that the registry lacks, each in one piece, then the manifest.
import type { Descriptor } from '../../oci/descriptor.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { endpointOf } from './endpoint.ts'
import { pushBlob, pushManifest } from './push-blob.ts'
import type { RegistryAuth } from '../upstream/registry-auth.ts'
import { RegistrySession } from './registry-session.ts'

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
  else
    for (const blob of [document.config, ...document.layers]) {
      const { source, signal } = request
      await pushBlob(session, blob, { stream: () => source.stream(blob), signal })
    }
  await pushManifest(session, { descriptor: root, bytes, name }, request.signal)
}
