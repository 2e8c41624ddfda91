// DELETE /images/{name}: takes names away, and with the last one the image.
import type { ImageDeleteItem } from '../../api/image-types.ts'
import { Failure } from '../../base/failure.ts'
import { shortId } from '../../base/ids.ts'
import { familiarName, parseReference } from '../../oci/parse-reference.ts'
import { countsAsRunning } from '../container/container-state.ts'
import type { Container } from '../container/container.ts'
import type { Engine } from '../engine.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { readPlatformObjects } from './decode-platform.ts'
import { familiarRecordName, isDanglingName, parseRecordName, recordNameOf } from './image-names.ts'
import type { Image } from './image-store.ts'
import { publishImageEvent } from './publish-image-event.ts'
import { removePlatforms } from './remove-platforms.ts'
import { resolveImage } from './resolve-image.ts'

export async function removeImageRoute(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const name = request.params['name'] ?? ''
  if (name.trim() === '') throw new Failure('invalid-argument', 'image name cannot be blank')
  const platforms = readPlatformObjects(request, 'platforms', '1.50')
  const isForced = isTrue(request.query, 'force')
  if (platforms.length > 0 && !isForced)
    throw new Failure(
      'invalid-argument',
      'Content will be removed from all images referencing this variant. Use —-force to force delete.',
    )
  const image = await resolveImage(engine, name)
  if (platforms.length > 0)
    return { kind: 'json', status: 200, body: await removePlatforms(engine, image, platforms, name) }
  return { kind: 'json', status: 200, body: await removeImage(engine, image, name, isForced) }
}

/**
 * `name` as the client gave it decides: an id removes the image with its one name, a name removes that name, and the image only with its
 * last one. Throws conflict, in Docker's words, before anything has changed.
 */
export async function removeImage(
  engine: Engine,
  image: Image,
  name: string,
  force: boolean,
): Promise<ImageDeleteItem[]> {
  const names = image.recordNames.filter((recordName) => !isDanglingName(recordName))
  const users = engine.containers.list().filter((container) => container.record.image.id === image.id)
  if (isIdPrefix(image, name)) {
    checkRemovable(image, names, users, force)
    return await removeWhole(engine, image, names)
  }
  const going = namesToRemove(image, names, name)
  if (going.length < names.length) return await untag(engine, image, going)
  const user = users[0]
  if (user && !force) throw nameInUse(name, user, image)
  // Docker keeps what a container still needs, even when it is told to force: the image only loses its name.
  if (user) return await untag(engine, image, going, { keep: true })
  return await removeWhole(engine, image, names)
}

async function removeWhole(engine: Engine, image: Image, names: readonly string[]): Promise<ImageDeleteItem[]> {
  const records = await untag(engine, image, image.recordNames, { keep: false }, names)
  publishImageEvent(engine, 'delete', image.id, image.id, image)
  return [...records, { Deleted: image.id }]
}

async function untag(
  engine: Engine,
  image: Image,
  recordNames: readonly string[],
  options = { keep: false },
  shown: readonly string[] = recordNames,
): Promise<ImageDeleteItem[]> {
  await engine.images.untag(image, recordNames, options)
  return shown.map((recordName) => {
    publishImageEvent(engine, 'untag', image.id, image.id, image)
    return { Untagged: familiarRecordName(recordName) }
  })
}

/** Only what can't be helped by force remains a conflict with force. */
function checkRemovable(image: Image, names: readonly string[], users: readonly Container[], force: boolean): void {
  const running = users.find((container) => countsAsRunning(container.state))
  if (running)
    throw conflict(image, 'cannot be forced', `image is being used by running container ${shortId(running.id)}`)
  if (force) return
  const repositories = new Set(names.map((name) => parseRecordName(name)).map((known) => known && familiarName(known)))
  const tags = names.filter((name) => parseRecordName(name)?.digest === undefined)
  if (repositories.size > 1 || tags.length > 1)
    throw conflict(image, 'must be forced', 'image is referenced in multiple repositories')
  const stopped = users[0]
  if (stopped)
    throw conflict(image, 'must be forced', `image is being used by stopped container ${shortId(stopped.id)}`)
}

/** The name itself, and with a repository's last tag also its digests. */
function namesToRemove(image: Image, names: readonly string[], name: string): string[] {
  const wanted = parseReference(name)
  const recordName = recordNameOf(wanted)
  const inRepository = names.filter((other) => {
    const known = parseRecordName(other)
    return known?.domain === wanted.domain && known.path === wanted.path
  })
  // `name@digest` of an image that was pulled by tag means every name it has in that repository.
  if (!image.recordNames.includes(recordName)) return inRepository
  const otherTags = inRepository.filter((other) => other !== recordName && parseRecordName(other)?.digest === undefined)
  return wanted.digest === undefined && otherTags.length === 0 ? inRepository : [recordName]
}

function isIdPrefix(image: Image, name: string): boolean {
  return image.id.startsWith(name) || image.id.startsWith(`sha256:${name}`)
}

function nameInUse(name: string, user: Container, image: Image): Failure {
  return new Failure(
    'conflict',
    `conflict: unable to remove repository reference ${JSON.stringify(name)} (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
  )
}

function conflict(image: Image, force: string, reason: string): Failure {
  return new Failure('conflict', `conflict: unable to delete ${shortId(image.id)} (${force}) - ${reason}`)
}
