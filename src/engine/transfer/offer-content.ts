// GET /content and /content/{digest}: what an image is made of, for a client that takes it to another engine (docs/decisions/push-to.md).
import { Failure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { parseDigest } from '../../oci/digest.ts'
import { isNonDistributable } from '../../oci/media-type.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { packImage } from '../image/pack-layers.ts'
import { readImageTree, type TreeNode, wholeManifests } from '../image/image-tree.ts'
import { findNamed } from '../image/save.ts'
import { findContent } from '../registry/find-content.ts'
import { sendContent } from '../registry/send-content.ts'

/** One entry for each name: of a repository without a tag, all tags. */
export async function describeContent(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const found = findNamed(await engine.images.list(), [imageName(request)])
  const body: object[] = []
  for (const { image, name } of found) {
    const current = async () => {
      const now = await engine.images.require(image.id)
      return (name === undefined ? undefined : now.contents.get(name)) ?? now
    }
    const { target, manifest } = await packImage(engine, current, request.signal)
    const tree = await readImageTree(engine.containerd, target)
    if (wholeManifests(tree).length === 0) throw new Failure('not-found', `content of ${target.digest}: not found`)
    body.push({
      ...(name === undefined ? {} : { Name: name }),
      Target: plain(target),
      Manifest: manifest.digest,
      Blobs: [...partsOf(tree).values()].map(plain),
    })
  }
  return { kind: 'json', status: 200, body }
}

/** `Range` is served. */
export async function readContent(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const digest = parseDigest(request.params['digest'] ?? '')
  const images = findNamed(await engine.images.list(), [imageName(request)])
  const targets = images.map(({ image, name }) => ((name && image.contents.get(name)) || image).target)
  const descriptor = await findContent(engine.containerd, targets, digest)
  if (descriptor === undefined) throw new Failure('not-found', `content ${digest}: not found`)
  return await sendContent(engine, request, descriptor, { contentType: 'application/octet-stream', headers: [] })
}

function imageName({ query }: ApiRequest): string {
  const name = query.get('image') ?? ''
  if (name === '') throw new Failure('invalid-argument', 'image is required')
  return name
}

/** What is here of it and may be passed on, each once; what names others stands behind them. */
function partsOf(node: TreeNode, parts = new Map<string, Descriptor>()): Map<string, Descriptor> {
  for (const child of node.children) partsOf(child, parts)
  const isHere = node.isWhole || node.children.length > 0
  if (isHere && !isNonDistributable(node.descriptor.mediaType)) parts.set(node.descriptor.digest, node.descriptor)
  return parts
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}
