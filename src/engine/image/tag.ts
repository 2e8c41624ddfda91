// POST /images/{name}/tag
import { Failure } from '../../base/failure.ts'
import { familiarName, familiarReference, isTag, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { recordNameOf } from './image-names.ts'
import { publishImageEvent } from './publish-image-event.ts'
import { resolveImage } from './resolve-image.ts'

export async function tagImage(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const reference = parseRepoTag(request.query.get('repo') ?? '', request.query.get('tag') ?? '')
  if (familiarName(reference) === 'sha256')
    throw new Failure('invalid-argument', 'refusing to create an ambiguous tag using digest algorithm as name')
  const image = await resolveImage(engine, request.params['name'] ?? '')
  await engine.images.tag(image, recordNameOf(reference))
  publishImageEvent(engine, 'tag', image.id, familiarReference(reference), image)
  return { kind: 'empty', status: 201 }
}

/** Throws invalid-argument: a tag must not come with a digest. */
export function parseRepoTag(repo: string, tag: string): Reference {
  const reference = parseReference(repo)
  if (reference.digest !== undefined) throw new Failure('invalid-argument', 'cannot import digest reference')
  if (tag !== '' && !isTag(tag)) throw new Failure('invalid-argument', 'invalid tag format')
  return withDefaultTag(tag === '' ? reference : { ...reference, tag })
}
