// POST /images/{name}/push: an image, or all tags of a repository, to its registry.
import type { ProgressMessage } from '../../api/image-types.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { readContent } from '../../containerd/client/read-content.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { familiarName, familiarReference, parseReference } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import type { RegistryAuth } from '../../registry/upstream/registry-auth.ts'
import { mountCandidate } from '../../registry/client/source-label.ts'
import { CERTS_DIRECTORY } from '../../registry/upstream/tls-files.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse, ApiVersion } from '../http/route.ts'
import { readPlatformObject } from './decode-platform.ts'
import { parseRecordName } from './image-names.ts'
import type { ImageContent } from './image-store.ts'
import { holdTree, readImageTree, requirePlatform, type TreeNode } from './image-tree.ts'
import { labelSource, labelsOf } from './label-content.ts'
import { takeLease } from './lease.ts'
import { packHeld } from './pack-layers.ts'
import { answerWithProgress, type SendProgress } from './progress-response.ts'
import { publishImageEvent } from './publish-image-event.ts'
import { PushReporter } from './push-progress.ts'
import { readBlob } from './read-image.ts'
import { decodeAuthHeader } from './registry-auth.ts'
import { parseRepoTag } from './tag.ts'

type TaggedReference = Reference & { tag: string }

interface Push {
  platform: Platform | undefined
  auth: RegistryAuth | undefined
  version: ApiVersion
  signal: AbortSignal
  send: SendProgress
}

export async function pushImages(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.params['name'] ?? ''
  const tag = request.query.get('tag') ?? ''
  const reference = tag === '' ? parseReference(name) : parseRepoTag(name, tag)
  const { version, signal } = request
  const platform = readPlatformObject(request, '1.46')
  const auth = decodeAuthHeader(request.raw.headers)
  return await answerWithProgress(request, async (send) => {
    send({ status: `The push refers to repository [${reference.domain}/${reference.path}]` })
    const push: Push = { platform, auth, version, signal, send }
    const pushed = await findTagged(engine, reference)
    for (const one of pushed) await pushTag(engine, push, one.reference)
    publishImageEvent(engine, 'push', familiarReference(reference), familiarName(reference), pushed[0]?.image)
  })
}

interface Tagged {
  reference: TaggedReference
  image: ImageContent
}

/** The one that is named, or all of the repository. Throws in Docker's words. */
async function findTagged(engine: Engine, wanted: Reference): Promise<Tagged[]> {
  const tagged = await taggedOf(engine, wanted)
  if (wanted.tag !== undefined) return [requireTag(tagged, wanted)]
  if (tagged.length === 0) throw new Failure('not-found', `no tags to push for ${familiarName(wanted)}`)
  return tagged.sort((a, b) => (a.reference.tag < b.reference.tag ? -1 : 1))
}

/** All tags of the repository. Throws where it has no image at all, and for a reference that is a digest. */
async function taggedOf(engine: Engine, wanted: Reference): Promise<Tagged[]> {
  const all = (await engine.images.list()).flatMap((image) =>
    image.recordNames.flatMap((name) => {
      const known = parseRecordName(name)
      const isOfRepository = known?.domain === wanted.domain && known.path === wanted.path
      return isOfRepository ? [{ reference: known, image: image.contents.get(name) ?? image }] : []
    }),
  )
  if (all.length === 0)
    throw new Failure('not-found', `An image does not exist locally with the tag: ${familiarName(wanted)}`)
  if (wanted.digest !== undefined) throw new Failure('invalid-argument', 'cannot push a digest reference')
  return all.flatMap(({ reference: { tag, digest, ...place }, image }): Tagged[] =>
    tag === undefined || digest !== undefined ? [] : [{ reference: { ...place, tag, digest: undefined }, image }],
  )
}

function requireTag(tagged: readonly Tagged[], wanted: Reference): Tagged {
  const one = tagged.find(({ reference }) => reference.tag === wanted.tag)
  if (one === undefined) throw new Failure('not-found', `tag does not exist: ${familiarReference(wanted)}`)
  return one
}

async function pushTag(engine: Engine, push: Push, reference: TaggedReference): Promise<void> {
  const { send, auth, version, signal } = push
  await using lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
  const { client } = lease
  const current = async () => requireTag(await taggedOf(engine, reference), reference).image
  const image = await packHeld(engine, lease, current, signal)
  const tree = await readImageTree(client, image.target)
  await holdTree(lease, tree)
  const root = await chooseRoot(client, push, tree, { reference, image })
  // TLS and all that comes with it are loaded by the first push, not by every start.
  const registry = await import('../../registry/client/push-image.ts')
  const { insecureRegistries, maxConcurrentUploads } = engine.config
  await registry
    .pushImage({
      ...{ reference, root, auth, signal, insecureRegistries, maxConcurrentUploads },
      certsDirectory: CERTS_DIRECTORY,
      source: contentSource(client, signal),
      mountFrom: mountCandidate(await labelsOf(client, image.manifest.digest), reference),
      progress: new PushReporter({ send, version, clock: engine.clock, image }),
      clock: engine.clock,
    })
    .catch((error) => {
      throw inPushWords(error)
    })
  await labelSource(client, image.manifest.digest, reference)
  send({ status: `${reference.tag}: digest: ${root.digest} size: ${root.size}` })
  send(aux({ Tag: reference.tag, Digest: root.digest, Size: root.size }))
  if (root.digest !== image.target.digest && push.platform === undefined)
    send(aux({ manifestPushedInsteadOfIndex: true, originalIndex: image.target, selectedManifest: plain(root) }))
}

/** The whole index where all of it is here, else the one manifest that the name stands for. */
async function chooseRoot(
  client: ContainerdClient,
  { platform }: Push,
  tree: TreeNode,
  { reference, image }: Tagged,
): Promise<Descriptor> {
  if (platform !== undefined) return plain(await requirePlatform(client, tree, platform, familiarReference(reference)))
  return tree.isWhole ? image.target : plain(image.manifest)
}

/** Without what only an index says of it. */
function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

function aux(value: object): ProgressMessage {
  return { progressDetail: {}, aux: value }
}

function contentSource(client: ContainerdClient, signal: AbortSignal) {
  return {
    read: (descriptor: Descriptor, sizeMax: number) => readBlob(client, descriptor, sizeMax),
    stream: ({ digest }: Descriptor) => readContent(client, digest, { signal }),
  }
}

/** What was asked for when the registry wanted to know who asks says nothing to who pushes. */
function inPushWords(error: unknown): unknown {
  if (!isFailure(error)) return error
  const words = /: (no basic auth credentials)$/.exec(error.message)?.[1]
  return words === undefined ? error : new Failure(error.code, words, { cause: error })
}
