// What belongs to an image, by its digest: nobody is given a blob of another one.
import { isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { isIndexType, isManifestType } from '../../oci/media-type.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import { readBlob } from '../image/read-image.ts'

const DEPTH_MAX = 4
const NODES_MAX = 20_000
/** Of documents whose parts are remembered: what has a digest does not change. */
const KNOWN_MAX = 2000

const known = new Map<Digest, readonly Descriptor[]>()

/** Of the targets themselves and all that they name, whether or not it is here. Undefined where nothing of that digest belongs to them. */
export async function findContent(
  client: ContainerdClient,
  targets: Iterable<Descriptor>,
  digest: Digest,
): Promise<Descriptor | undefined> {
  let count = 0
  const seen = new Set<Digest>()
  const visit = async (descriptor: Descriptor, depth: number): Promise<Descriptor | undefined> => {
    if (descriptor.digest === digest) return descriptor
    if (depth > DEPTH_MAX || ++count > NODES_MAX || seen.has(descriptor.digest)) return undefined
    seen.add(descriptor.digest)
    for (const child of await childrenOf(client, descriptor)) {
      const found = await visit(child, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const target of targets) {
    const found = await visit(target, 0)
    if (found !== undefined) return found
  }
  return undefined
}

export function isDocument({ mediaType }: Descriptor): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType)
}

/** Nothing of what is not here, or is no document. */
async function childrenOf(client: ContainerdClient, descriptor: Descriptor): Promise<readonly Descriptor[]> {
  if (!isDocument(descriptor)) return []
  const remembered = known.get(descriptor.digest)
  if (remembered !== undefined) return remembered
  const bytes = await readBlob(client, descriptor, MANIFEST_BYTES_MAX).catch((error: unknown) => {
    if (!isFailure(error, 'not-found')) throw error
  })
  if (bytes === undefined) return []
  const document = parseManifestOrIndex(bytes, descriptor.mediaType)
  const children = document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
  const [oldest] = known.keys()
  if (known.size >= KNOWN_MAX && oldest !== undefined) known.delete(oldest)
  known.set(descriptor.digest, children)
  return children
}
