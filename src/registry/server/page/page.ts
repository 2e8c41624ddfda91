// The page for browsers: a few files that are the same for everybody and hold nothing of the store. What they show they ask /v2/ for, as
// any client does, with the same credentials.
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { REGISTRY_PAGE } from '../../../gen/registry-page.ts'
import type { Settings } from '../config/settings.ts'

interface PageFile {
  type: string
  body: Buffer
  etag: string
}

/** Its own files, its own API, and nothing that somebody else has written: neither scripts in the document nor markup made of texts. */
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
  'require-trusted-types-for': "'script'",
  'trusted-types': "'none'",
}

export class Page {
  readonly #files: ReadonlyMap<string, PageFile>
  readonly #policy: string

  constructor(settings: Pick<Settings, 'http' | 'auth' | 'deletes' | 'readOnly'>) {
    const { prefix } = settings.http
    const { html, style, script, icon } = REGISTRY_PAGE
    this.#files = new Map([
      [prefix, fileOf('text/html; charset=utf-8', fillIn(html, settings))],
      [`${prefix}page/page.css`, fileOf('text/css; charset=utf-8', style)],
      [`${prefix}page/page.js`, fileOf('text/javascript; charset=utf-8', script)],
      [`${prefix}page/icon.svg`, fileOf('image/svg+xml', icon)],
    ])
    const sources = { ...POLICY, 'connect-src': connectionsOf(settings) }
    this.#policy = Object.entries(sources)
      .map(([name, value]) => `${name} ${value}`)
      .join('; ')
  }

  /** False: the request is for something else. */
  answer(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    const file = this.#files.get(path)
    const { method = '', headers } = request
    if (file === undefined || (method !== 'GET' && method !== 'HEAD')) return false
    if (file.type.startsWith('text/html') && !acceptsHtml(headers.accept)) return false
    const head = {
      etag: file.etag,
      // Asked for each time and seldom sent: a browser never mixes files of two versions.
      'cache-control': 'no-cache',
      vary: 'accept',
      'content-security-policy': this.#policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    }
    if (isKnown(headers['if-none-match'], file.etag)) {
      response.writeHead(304, head).end()
      return true
    }
    response.writeHead(200, { ...head, 'content-type': file.type, 'content-length': file.body.length })
    response.end(method === 'HEAD' ? undefined : file.body)
    return true
  }
}

function fileOf(type: string, text: string): PageFile {
  const body = Buffer.from(text)
  return { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }
}

/** What the page can't ask the API for: whether deleting is on at all, and the name by which clients know the registry. */
function fillIn(html: string, { http, deletes, readOnly }: Pick<Settings, 'http' | 'deletes' | 'readOnly'>): string {
  const host = http.publicUrl === undefined ? '' : new URL(http.publicUrl).host
  const values: Readonly<Record<string, string>> = { deletes: String(deletes && !readOnly), host }
  return html.replace(/\{\{(\w+)\}\}/g, (_, name: string) => escapeAttribute(values[name] ?? ''))
}

function escapeAttribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
}

/** Tokens may come from another address than the page. */
function connectionsOf({ auth, http }: Pick<Settings, 'auth' | 'http'>): string {
  const realm = auth.kind === 'token' ? (auth.realm ?? http.publicUrl) : undefined
  return realm !== undefined && URL.canParse(realm) ? `'self' ${new URL(realm).origin}` : "'self'"
}

/** By name: programs that take anything are no browsers, and get what they have always got. */
function acceptsHtml(accept = ''): boolean {
  return accept.split(',').some((each) => {
    const [type = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase())
    return type === 'text/html' && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))
  })
}

function isKnown(header: string | undefined, etag: string): boolean {
  return (header ?? '').split(',').some((each) => each.trim().replace(/^W\//, '') === etag)
}
