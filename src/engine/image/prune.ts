// POST /images/prune
import type { ImageDeleteItem } from '../../api/image-types.ts'
import { Failure, isFailure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { parseFilters } from '../http/filters.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { dropKeptPulls } from './kept-pulls.ts'
import { selectImages } from './list.ts'
import { removeImage } from './remove.ts'

const FILTERS = ['dangling', 'label', 'label!', 'until']
const pruning = new WeakSet<Engine>()

/** What filters choose by, images have, and what is left of a pull has not. */
const CHOOSING = FILTERS.filter((name) => name !== 'dangling')

/** Nameless images that no container uses; with `dangling=false` all that no container uses. And what pulls that were cut have left. */
export async function pruneImages(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  if (pruning.has(engine)) throw new Failure('conflict', 'a prune operation is already running')
  pruning.add(engine)
  try {
    return { kind: 'json', status: 200, body: await prune(engine, request) }
  } finally {
    pruning.delete(engine)
  }
}

async function prune(engine: Engine, request: ApiRequest): Promise<object> {
  const filters = parseFilters(request.query).check(FILTERS)
  const onlyDangling = filters.boolean('dangling', true)
  const used = new Set(engine.containers.list().map((container) => container.record.image.id))
  const passing = await selectImages(engine, filters.without('dangling'))
  const deleted: ImageDeleteItem[] = []
  let reclaimed = CHOOSING.some((name) => filters.has(name)) ? 0 : await dropKeptPulls(engine)
  for (const image of passing) {
    if (used.has(image.id) || (onlyDangling && image.repoTags.length > 0)) continue
    const size = await engine.images.sizeBytes(image)
    try {
      deleted.push(...(await removeImage(engine, image, image.id, true)))
      reclaimed += size
    } catch (error) {
      if (!isFailure(error, 'conflict')) throw error // a container of it was made meanwhile
    }
  }
  engine.events.publish('image', 'prune', { ID: '', Attributes: { reclaimed: String(reclaimed) } })
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed }
}
