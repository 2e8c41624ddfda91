// With a page, browsers are among the clients. They send requests that other sites have thought up, and show what they are sent.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApiError } from '../api-error.ts'
import type { Exchange } from '../http/exchange.ts'

/** Whatever is answered besides the page is somebody's bytes on the page's own origin: never a script, and never a document that can do anything. */
export function neutralize(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'; sandbox")
}

/**
 * Throws DENIED for a change that a page of another site asks for: a browser adds a client certificate, a password that it was asked for, or
 * its place in the network by itself. Other clients than browsers send neither of these headers.
 */
export function refuseOtherSites({ registry, request }: Pick<Exchange, 'registry' | 'request'>): void {
  const { headers } = request
  const site = headers['sec-fetch-site']
  const denied = new ApiError('DENIED', { message: 'the request comes from a page of another site' })
  if (site !== undefined) {
    if (site !== 'same-origin' && site !== 'none') throw denied
    return
  }
  // Browsers say no more where there is no TLS.
  if (headers.origin === undefined) return
  const { publicUrl } = registry.settings.http
  const ours = [headers.host, headers['x-forwarded-host'], publicUrl === undefined ? '' : new URL(publicUrl).host]
  const theirs = URL.canParse(headers.origin) ? new URL(headers.origin).host : ''
  if (theirs === '' || !ours.includes(theirs)) throw denied
}

/** The page asks for passwords itself, by a form, and says so as such pages do. The browser's own question would keep the answer for good. */
export function withoutPrompt(
  headers: Readonly<Record<string, string>>,
  request: IncomingMessage,
): Readonly<Record<string, string>> {
  const challenge = headers['www-authenticate']
  if (request.headers['x-requested-with'] === undefined || challenge === undefined) return headers
  return { ...headers, 'www-authenticate': challenge.replace(/^Basic /, 'xBasic ') }
}
