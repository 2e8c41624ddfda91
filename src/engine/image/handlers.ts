// The routes of images.
import type { Engine } from '../engine.ts'
import type { Handlers } from '../http/route.ts'
import { inspectImage, showHistory } from './inspect.ts'
import { listImages } from './list.ts'
import { loadImages } from './load.ts'
import { pruneImages } from './prune.ts'
import { createImage } from './pull.ts'
import { pushImages } from './push.ts'
import { removeImageRoute } from './remove.ts'
import { saveImages } from './save.ts'
import { searchImages } from './search.ts'
import { tagImage } from './tag.ts'

export function imageHandlers(engine: Engine): Handlers {
  return {
    'GET /images/json': (request) => listImages(engine, request),
    'GET /images/search': (request) => searchImages(engine, request),
    'GET /images/get': (request) => saveImages(engine, request, request.query.getAll('names')),
    'GET /images/{name}/get': (request) => saveImages(engine, request, [request.params['name'] ?? '']),
    'GET /images/{name}/json': (request) => inspectImage(engine, request),
    'GET /images/{name}/history': (request) => showHistory(engine, request),
    'POST /images/create': (request) => createImage(engine, request),
    'POST /images/load': (request) => loadImages(engine, request),
    'POST /images/prune': (request) => pruneImages(engine, request),
    'POST /images/{name}/push': (request) => pushImages(engine, request),
    'POST /images/{name}/tag': (request) => tagImage(engine, request),
    'DELETE /images/{name}': (request) => removeImageRoute(engine, request),
  }
}
