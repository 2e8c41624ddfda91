// What an HTTP server has under a URL that a client named, through the daemon's proxy where there is one.
import type { IncomingMessage } from 'node:http'
import { STATUS_CODES } from 'node:http'
import { Failure, type FailureCode } from '../../base/failure.ts'

export interface OpenedUrl {
  content: AsyncIterable<Buffer>
  /** Bytes; 0 where the server does not say. */
  size: number
}

/** As it was given, for messages, and as it is asked for. */
export interface GivenUrl {
  text: string
  url: URL
}

const REDIRECTS_MAX = 10
const ERROR_BYTES_MAX = 64 * 1024

/** `example.com/rootfs.tar` is taken for http. Throws Failure('invalid-argument'). */
export function parseUrl(given: string): GivenUrl {
  const text = given.includes('://') ? given : `http://${given}`
  if (/^https?:\/\/?$/.test(text))
    throw new Failure('internal', `Get "${text.replace(/\/*$/, '')}": http: no Host in request URL`)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.host === '')
    throw new Failure('invalid-argument', `parse ${JSON.stringify(text)}: invalid URL`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Failure(
      'internal',
      `Get ${JSON.stringify(text)}: unsupported protocol scheme "${url.protocol.slice(0, -1)}"`,
    )
  return { text, url }
}

/** Follows redirects. Throws with the server's own words. */
export async function openUrl({ text, url }: GivenUrl, signal: AbortSignal): Promise<OpenedUrl> {
  const { sendRequest, readBody } = await import('../../registry/upstream/http-request.ts')
  const { parseLocation } = await import('../../registry/client/registry-session.ts')
  let at = url
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const response = await sendRequest({ method: 'GET', url: at, headers: credentialsOf(at), insecure: false, signal })
    const status = response.statusCode ?? 0
    const { location } = response.headers
    if (status >= 300 && status < 400 && location !== undefined) {
      response.destroy()
      at = parseLocation(location, at)
      continue
    }
    if (status < 400) return { content: response as AsyncIterable<Buffer>, size: sizeOf(response) }
    const words = (await readBody(response, ERROR_BYTES_MAX)).toString('utf8').trim()
    throw new Failure(
      CODES[status] ?? 'unknown',
      `failed to GET ${text} with status ${status} ${STATUS_CODES[status] ?? ''}: ${words}`,
    )
  }
  throw new Failure('internal', `Get ${JSON.stringify(text)}: stopped after ${REDIRECTS_MAX} redirects`)
}

function sizeOf({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0)
}

/** Those in the URL itself, which its owner has put there. */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

const CODES: Partial<Record<number, FailureCode>> = {
  400: 'invalid-argument',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
}
