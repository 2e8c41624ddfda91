// GET /distribution/{name}/json: what a registry has under a name, without fetching it.
import { Failure } from '../../base/failure.ts'
import { parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { CERTS_DIRECTORY } from '../../registry/upstream/tls-files.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { decodeAuthHeader } from './registry-auth.ts'

export async function inspectDistribution(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const reference = withDefaultTag(parseName(request.params['name'] ?? ''))
  const { inspectManifest } = await import('../../registry/client/inspect-manifest.ts')
  const { config } = engine
  const { descriptor, platforms } = await inspectManifest({
    reference,
    auth: decodeAuthHeader(request.raw.headers),
    insecureRegistries: config.insecureRegistries,
    mirrors: config.registryMirrors,
    certsDirectory: CERTS_DIRECTORY,
    signal: request.signal,
  })
  const body = {
    Descriptor: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
    Platforms: platforms.map(({ architecture, os, variant, 'os.version': osVersion }) => ({
      architecture,
      os,
      ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
      ...(variant === undefined ? {} : { variant }),
    })),
  }
  return { kind: 'json', status: 200, body }
}

function parseName(name: string): Reference {
  if (/^[0-9a-f]{64}$/.test(name)) throw new Failure('internal', 'no manifest found for full image ID')
  return parseReference(name)
}
