// A request as the handlers see it: parsed names, the query, and ways to answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Digest, parseDigest } from '../../../oci/digest.ts'
import { ApiError } from '../api-error.ts'
import { parseRepositoryName, parseTag, parseUploadId, type RepositoryName, type Tag, type UploadId } from '../names.ts'
import type { Registry } from '../registry.ts'
import type { Route } from './route.ts'

export interface Exchange {
  registry: Registry
  request: IncomingMessage
  response: ServerResponse
  url: URL
  route: Route
  /** Who asks, as far as that is known. */
  user: string | undefined
}

export type Handler = (exchange: Exchange) => Promise<void>

/** Throws NAME_INVALID. */
export function repositoryOf({ route }: Exchange): RepositoryName {
  const name = parseRepositoryName(route.name)
  if (name === undefined) throw new ApiError('NAME_INVALID', { detail: { name: route.name.slice(0, 300) } })
  return name
}

/** Throws DIGEST_INVALID. */
export function digestFrom(text: string): Digest {
  try {
    return parseDigest(text)
  } catch {
    throw new ApiError('DIGEST_INVALID', { message: 'invalid digest', detail: text.slice(0, 300) })
  }
}

/** A tag or a digest. Throws DIGEST_INVALID or TAG_INVALID. */
export function referenceOf({ route }: Exchange): { digest: Digest } | { tag: Tag } {
  if (route.reference.includes(':')) return { digest: digestFrom(route.reference) }
  const tag = parseTag(route.reference)
  if (tag === undefined)
    throw new ApiError('TAG_INVALID', { message: 'invalid tag', detail: route.reference.slice(0, 300) })
  return { tag }
}

/** Throws BLOB_UPLOAD_UNKNOWN: no upload has such an id. */
export function uploadOf({ route }: Exchange): UploadId {
  const id = parseUploadId(route.reference)
  if (id === undefined) throw new ApiError('BLOB_UPLOAD_UNKNOWN')
  return id
}

export function answerJson(
  { response, request }: Exchange,
  status: number,
  body: unknown,
  headers: Headers = {},
): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

type Headers = Readonly<Record<string, string | number>>

export function answerEmpty({ response }: Exchange, status: number, headers: Headers = {}): void {
  // 204 and 304 have no body by definition (RFC 9110, 8.6).
  response.writeHead(status, status === 204 || status === 304 ? headers : { 'content-length': 0, ...headers })
  response.end()
}

/** A path below `/v2/` as clients reach it: absolute, unless the configuration wants it relative. */
export function locationOf(exchange: Exchange, path: string): string {
  const { http } = exchange.registry.settings
  const below = `${http.prefix}v2/${path}`
  return http.relativeUrls ? below : `${originOf(exchange)}${below}`
}

/** As the client wrote it, or as the proxy before us says that it did. */
export function originOf({ registry, request }: Exchange): string {
  const { publicUrl, tls } = registry.settings.http
  if (publicUrl !== undefined) return publicUrl
  const forwarded = String(request.headers['x-forwarded-proto'] ?? '')
    .split(',')[0]
    ?.trim()
  const scheme = forwarded === 'https' || forwarded === 'http' ? forwarded : tls === undefined ? 'http' : 'https'
  const host =
    String(request.headers['x-forwarded-host'] ?? request.headers.host ?? '')
      .split(',')[0]
      ?.trim() ?? ''
  return /^[\w.-]+(?::\d+)?$|^\[[0-9a-fA-F:.]+\](?::\d+)?$/.test(host) ? `${scheme}://${host}` : ''
}
