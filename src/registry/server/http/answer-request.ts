// One request: its endpoint, whether it may, its handler, and what became of it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isFailure, messageOf } from '../../../base/failure.ts'
import { runOperation } from '../../../base/operation.ts'
import { ApiError, formatErrors } from '../api-error.ts'
import { TOKEN_PATH } from '../auth/verify-token.ts'
import { parseRepositoryName } from '../names.ts'
import { neutralize, refuseOtherSites, withoutPrompt } from '../page/protect.ts'
import type { Registry } from '../registry.ts'
import { deleteBlob, getBlob } from './blobs.ts'
import type { Exchange, Handler } from './exchange.ts'
import { getBase, getCatalog, getReferrers, getTags } from './lists.ts'
import { deleteManifest, getManifest, uploadManifest } from './manifests.ts'
import { parseRoute, type RouteKind } from './route.ts'
import { deleteUpload, getUpload, patchUpload, putUpload, startUpload } from './uploads.ts'

const ENDPOINTS: Record<RouteKind, Readonly<Record<string, Handler>>> = {
  base: { GET: getBase, HEAD: getBase },
  catalog: { GET: getCatalog, HEAD: getCatalog },
  tags: { GET: getTags, HEAD: getTags },
  referrers: { GET: getReferrers, HEAD: getReferrers },
  blob: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob },
  uploads: { POST: startUpload },
  upload: { GET: getUpload, PATCH: patchUpload, PUT: putUpload, DELETE: deleteUpload },
  manifest: { GET: getManifest, HEAD: getManifest, PUT: uploadManifest, DELETE: deleteManifest },
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD'])
const URL_LENGTH_MAX = 8192

/** Never rejects: what goes wrong is answered, or ends the connection where an answer has begun. */
export async function answerRequest(
  registry: Registry,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  watch(registry, request, response)
  for (const [name, values] of Object.entries(registry.settings.http.headers)) response.setHeader(name, values)
  if (registry.page !== undefined) neutralize(response)
  try {
    // As in the original a registry that is not well answers nobody: what it would say could be wrong.
    if (!registry.health.isWell()) throw new ApiError('UNAVAILABLE', { detail: registry.health.failures() })
    await dispatch(registry, request, response)
  } catch (error) {
    refuse(registry, request, response, error)
  }
}

async function dispatch(registry: Registry, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = parseUrl(request)
  const { prefix } = registry.settings.http
  if (url !== undefined && registry.page?.answer(request, response, url.pathname)) return
  const base = `${prefix}v2`
  if (registry.tokenService !== undefined && url?.pathname === `${prefix}${TOKEN_PATH}`)
    return registry.tokenService.answer(request, response, url)
  if (url === undefined || (url.pathname !== base && !url.pathname.startsWith(`${base}/`))) return notFound(response)
  response.setHeader('docker-distribution-api-version', 'registry/2.0')
  const asked = parseRoute(decodePath(url.pathname.slice(base.length + 1)))
  if (asked === undefined) return notFound(response)
  const namespace = registry.upstreams.namespaceOf(url.searchParams.get('ns'))
  // containerd asks a mirror for `library/busybox?ns=docker.io`.
  const route = namespace === undefined ? asked : { ...asked, name: `${namespace}/${asked.name}` }
  if (namespace !== undefined) response.setHeader('oci-namespace', namespace)
  const handlers = ENDPOINTS[route.kind]
  const method = request.method ?? ''
  const handler = handlers[method]
  const exchange: Exchange = { registry, request, response, url, route, user: undefined }
  if (registry.page !== undefined && !READS.has(method)) refuseOtherSites(exchange)
  await registry.authorize(exchange, method)
  if (handler === undefined || isOthers(exchange, method) || isOff(registry, route.kind, method))
    throw new ApiError('UNSUPPORTED', { headers: { allow: allowed(registry, route.kind) } })
  await runOperation(`${method} ${route.kind}`, () => handler(exchange))
}

/** Counts and logs the request when it has ended, however it has. */
function watch({ metrics, log, settings }: Registry, request: IncomingMessage, response: ServerResponse): void {
  const start = performance.now()
  const { socket } = request
  const [readBefore, writtenBefore] = [socket.bytesRead, socket.bytesWritten]
  metrics.begin()
  response.once('close', () => {
    const { method = '', url = '' } = request
    const seconds = (performance.now() - start) / 1000
    const [, path = ''] = /\/v2\/([^?]*)/.exec(url) ?? []
    const handler = parseRoute(decodePath(path))?.kind ?? 'other'
    const status = response.statusCode
    const [received, sent] = [socket.bytesRead - readBefore, socket.bytesWritten - writtenBefore]
    metrics.end({ method, handler, status, seconds, received, sent })
    if (!settings.log.accessLog) return
    const agent = request.headers['user-agent'] ?? ''
    const fields = { method, url, status, ms: Math.round(seconds * 1000), sent, agent }
    log.info('request', { ...fields, remote: socket.remoteAddress ?? '', cut: !response.writableFinished })
  })
}

function parseUrl({ url = '' }: IncomingMessage): URL | undefined {
  if (url.length > URL_LENGTH_MAX || !url.startsWith('/')) return undefined
  // Dots in a path would be resolved by URL; no name of ours has a part of dots alone.
  return URL.canParse(`http://registry${url}`) ? new URL(`http://registry${url}`) : undefined
}

/** Digests may come with their colon escaped. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** What comes from another registry is pushed there. It may be deleted here, to be fetched again. */
function isOthers({ registry, route }: Exchange, method: string): boolean {
  const name = parseRepositoryName(route.name)
  const isWrite = !READS.has(method) && method !== 'DELETE'
  return isWrite && name !== undefined && registry.upstreams.find(name) !== undefined
}

function isOff({ settings }: Registry, kind: RouteKind, method: string): boolean {
  if (settings.readOnly && !READS.has(method)) return true
  return !settings.deletes && method === 'DELETE' && kind !== 'upload'
}

function allowed(registry: Registry, kind: RouteKind): string {
  return Object.keys(ENDPOINTS[kind])
    .filter((method) => !isOff(registry, kind, method))
    .join(', ')
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' })
  response.end('404 page not found\n')
}

function refuse(registry: Registry, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const refusal = error instanceof ApiError ? error : failureOf(error)
  if (refusal.status >= 500)
    registry.log.error('request failed', {
      method: request.method ?? '',
      url: request.url ?? '',
      error: messageOf(error),
    })
  if (response.headersSent || response.destroyed) {
    // The length that was promised can't be kept: only a broken connection says so.
    response.destroy()
    return
  }
  const body = Buffer.from(formatErrors(refusal))
  // A body that nobody reads would be taken for the next request.
  if (!request.complete) response.setHeader('connection', 'close')
  response.writeHead(refusal.status, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...(registry.page === undefined ? refusal.headers : withoutPrompt(refusal.headers, request)),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** What a store throws: a full disk is the server's trouble, and the client may try again. */
function failureOf(error: unknown): ApiError {
  const { code = '' } = error as NodeJS.ErrnoException
  if (isFailure(error, 'unavailable') || code === 'ENOSPC' || code === 'EDQUOT' || code === 'EMFILE')
    return new ApiError('UNAVAILABLE', { detail: code === 'ENOSPC' ? 'no space left on device' : messageOf(error) })
  return new ApiError('UNKNOWN')
}
