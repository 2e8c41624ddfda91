// /transfers: an image that comes from another engine, of which only those blobs are sent that are not here (docs/decisions/push-to.md).
import { Failure } from '../../base/failure.ts'
import { uploadedBytes } from '../../containerd/client/content-writer.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { listOf, objectOf, optional, stringOf } from '../../oci/json-shape.ts'
import { parseDescriptor } from '../../oci/parse-manifest.ts'
import { choosePlatform, hostPlatform } from '../../oci/parse-platform.ts'
import { familiarReference, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse, Handlers } from '../http/route.ts'
import { holds } from '../image/archive-blobs.ts'
import { danglingName, recordNameOf } from '../image/image-names.ts'
import { readImageTree, wholeManifests } from '../image/image-tree.ts'
import { labelContent, labelTree } from '../image/label-content.ts'
import { type Lease, takeLease } from '../image/lease.ts'
import { publishImageEvent } from '../image/publish-image-event.ts'
import { readImage } from '../image/read-image.ts'
import { unpackImage } from '../image/unpack-image.ts'
import { describeContent, readContent } from './offer-content.ts'
import { OpenTransfers } from './open-transfers.ts'
import { receiveBlob } from './receive-blob.ts'

const BLOBS_MAX = 20_000

export function transferHandlers(engine: Engine): Handlers {
  const transfers = new OpenTransfers()
  return {
    'GET /content': (request) => describeContent(engine, request),
    'GET /content/{digest}': (request) => readContent(engine, request),
    'POST /transfers': (request) => begin(engine, transfers, request),
    'GET /transfers/{id}/blobs/{digest}': (request) => showBlob(transfers, request),
    'PUT /transfers/{id}/blobs/{digest}': (request) => takeBlob(transfers, request),
    'POST /transfers/{id}/finish': (request) => finish(engine, transfers, request),
    'DELETE /transfers/{id}': async ({ params }) => {
      await transfers.end(params['id'] ?? '')
      return { kind: 'empty', status: 204 }
    },
  }
}

/** Says what of the blobs is missing, and how much of each came in an earlier attempt. What is here is held from now on. */
async function begin(engine: Engine, transfers: OpenTransfers, request: ApiRequest): Promise<ApiResponse> {
  const blobs = listOf(objectOf(await request.json(), 'body')['Blobs'], 'Blobs', parseDescriptor, BLOBS_MAX)
  transfers.checkRoom()
  const lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
  try {
    const missing: object[] = []
    for (const { digest } of blobs) {
      request.signal.throwIfAborted()
      if (!(await holds(lease, digest)))
        missing.push({ Digest: digest, Offset: await uploadedBytes(lease.client, digest) })
    }
    return { kind: 'json', status: 201, body: { Id: transfers.add(lease, blobs), Missing: missing } }
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}

async function showBlob(transfers: OpenTransfers, { params }: ApiRequest): Promise<ApiResponse> {
  return await transfers.use(params['id'] ?? '', async (lease, blobs) => {
    const { digest } = announced(blobs, params['digest'] ?? '')
    const isHere = await holds(lease, digest)
    const offset = isHere ? 0 : await uploadedBytes(lease.client, digest)
    return { kind: 'json', status: 200, body: { IsHere: isHere, Offset: offset } }
  })
}

async function takeBlob(transfers: OpenTransfers, request: ApiRequest): Promise<ApiResponse> {
  const { params, query, raw, signal } = request
  return await transfers.use(params['id'] ?? '', async (lease, blobs) => {
    const blob = announced(blobs, params['digest'] ?? '')
    const offset = Number(query.get('offset') ?? 0)
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > blob.size)
      throw new Failure('invalid-argument', `invalid offset: ${query.get('offset')}`)
    await receiveBlob(lease.client, blob, offset, raw, signal)
    if (!(await holds(lease, blob.digest)))
      throw new Failure('unavailable', `content ${blob.digest} was removed while it was stored`)
    return { kind: 'empty', status: 201 }
  })
}

function announced(blobs: ReadonlyMap<Digest, Descriptor>, text: string): Descriptor {
  const digest = parseDigest(text)
  const blob = blobs.get(digest)
  if (blob === undefined) throw new Failure('not-found', `content ${digest} is not part of this transfer`)
  return blob
}

/** The image is unpacked and named when all of it is here; the transfer is over then. A failure leaves it open for another try. */
async function finish(engine: Engine, transfers: OpenTransfers, request: ApiRequest): Promise<ApiResponse> {
  const id = request.params['id'] ?? ''
  const body = objectOf(await request.json(), 'body')
  const target = parseDescriptor(body['Target'], 'Target')
  const manifest = optional(body['Manifest'], 'Manifest', stringOf)
  const name = optional(body['Name'], 'Name', stringOf)
  const reference = name === undefined ? undefined : readName(name)
  const image = await transfers.use(id, async (lease, blobs) => {
    announced(blobs, target.digest)
    return await nameImage(engine, lease, request.signal, { target, manifest, reference })
  })
  await transfers.end(id)
  return { kind: 'json', status: 200, body: { Id: image } }
}

function readName(name: string): Reference {
  const reference = parseReference(name)
  return reference.digest === undefined ? withDefaultTag(reference) : reference
}

async function nameImage(
  engine: Engine,
  lease: Lease,
  signal: AbortSignal,
  given: { target: Descriptor; manifest: string | undefined; reference: Reference | undefined },
): Promise<Digest> {
  const { client } = lease
  const target = { mediaType: given.target.mediaType, digest: given.target.digest, size: given.target.size }
  const { reference } = given
  if (reference?.digest !== undefined && reference.digest !== target.digest)
    throw new Failure('invalid-argument', `${familiarReference(reference)} does not name ${target.digest}`)
  const tree = await readImageTree(client, target)
  const whole = wholeManifests(tree).map(({ descriptor }) => descriptor)
  const manifest =
    whole.find(({ digest }) => digest === given.manifest) ?? choosePlatform(hostPlatform(), whole) ?? whole[0]
  if (manifest === undefined) throw new Failure('conflict', `content of ${target.digest} is not whole`)
  const image = await readImage(client, target, manifest.digest)
  await unpackImage(engine, lease, image, signal)
  await labelTree(client, tree)
  await labelContent(client, image)
  await engine.images.tag(image, reference === undefined ? danglingName(target.digest) : recordNameOf(reference))
  publishImageEvent(engine, 'load', image.id, image.id, image)
  return image.id
}
