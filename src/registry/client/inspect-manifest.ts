// What a registry has under a name: its descriptor and the platforms that it is for. Nothing but manifests and one configuration is read.
import type { Descriptor } from '../../oci/descriptor.ts'
import { isConfigType } from '../../oci/media-type.ts'
import { IMAGE_CONFIG_BYTES_MAX, parseImageConfig } from '../../oci/parse-image-config.ts'
import type { Manifest } from '../../oci/parse-manifest.ts'
import type { Reference } from '../../oci/reference.ts'
import { Failure } from '../../base/failure.ts'
import { askEach } from './ask-each.ts'
import { fetchBlob } from './fetch-blob.ts'
import { findRoot, type RootRequest } from './find-root.ts'
import { codeOf, type RegistryError, registryErrorText } from './registry-error.ts'
import type { RegistrySession } from './registry-session.ts'

export type ManifestPlatform = NonNullable<Descriptor['platform']>

/** Throws Failure with the registry's own words. */
export async function inspectManifest(
  request: RootRequest & { reference: Reference },
): Promise<{ descriptor: Descriptor; platforms: ManifestPlatform[] }> {
  const { sessions, root } = await findRoot(request, request.reference, inRegistryWords)
  const { descriptor, document } = root
  if (document.kind === 'manifest')
    return { descriptor, platforms: await platformOf(sessions, document, request.signal) }
  return { descriptor, platforms: document.manifests.flatMap(({ platform }) => (platform ? [platform] : [])) }
}

/** Of an artifact that is no image there is none. */
async function platformOf(
  sessions: readonly RegistrySession[],
  { config }: Manifest,
  signal: AbortSignal,
): Promise<ManifestPlatform[]> {
  if (!isConfigType(config.mediaType) || config.size > IMAGE_CONFIG_BYTES_MAX) return []
  const bytes = await askEach(sessions, signal, async (session, hasAlternative) => {
    const parts: Uint8Array[] = []
    for await (const part of fetchBlob(session, config, { signal, onProgress() {}, hasAlternative })) parts.push(part)
    return Buffer.concat(parts)
  })
  const { architecture, os, variant, 'os.version': osVersion } = parseImageConfig(bytes)
  const version = osVersion === undefined ? {} : { 'os.version': osVersion }
  return [{ architecture, os, ...version, ...(variant === undefined ? {} : { variant }) }]
}

function inRegistryWords(_reference: Reference, status: number, error: RegistryError): Failure {
  return new Failure(codeOf(status), registryErrorText(error))
}
