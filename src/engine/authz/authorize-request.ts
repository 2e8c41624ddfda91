// Asks the authorization plugins: before a request has any effect, and before its answer goes out. All of them must agree.
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { objectOf } from '../../oci/json-shape.ts'
import type { Admission, RequestGuard } from '../http/request-guard.ts'
import type { PluginRegistry } from '../plugin/plugin-registry.ts'
import { AUTHZ_KIND } from './require-plugins.ts'

/** A larger body could hide what a plugin looks for behind its end. */
export const BODY_BYTES_MAX = 1 << 20
/** Secrets of the client's, which are no plugin's business. */
const PRIVATE_HEADERS = new Set(['authorization', 'x-registry-config', 'x-registry-auth'])

interface Options {
  readonly plugins: PluginRegistry
  /** Read anew for every request: a reload changes it. */
  names(): readonly string[]
  readonly log: Log
  /** For how long a plugin may think; then the answer is no. */
  readonly answerMs?: number
}

const ANSWER_MS = 60_000

/** Failures: forbidden `authorization denied by plugin x: …`, internal where a plugin cannot be asked or the body is too large for it. */
export function openAuthorization({ plugins, names, log, answerMs = ANSWER_MS }: Options): RequestGuard {
  const ask = async (method: string, question: object): Promise<void> => {
    for (const name of new Set(names())) {
      log.debug(`AuthZ ${method} using plugin ${name}`)
      const verdict = await askPlugin(plugins, name, { method, question, answerMs })
      if (verdict.allow) continue
      throw new Failure('forbidden', `authorization denied by plugin ${name}: ${verdict.message}`)
    }
  }
  return {
    isOn: () => names().length > 0,
    async admit(request, readBody): Promise<Admission> {
      const sendsBody = isJson(request.headers['content-type']) && !isAuthPath(request.url ?? '')
      const body = sendsBody ? await limited(readBody(BODY_BYTES_MAX)) : undefined
      const question = describeRequest(request, body)
      await ask('AuthZPlugin.AuthZReq', question)
      return {
        body,
        async release({ status, headers, body: answered }) {
          const isShown = isJson(headers['Content-Type']) && !isAuthPath(request.url ?? '')
          await ask('AuthZPlugin.AuthZRes', {
            ...question,
            ResponseStatusCode: status,
            ResponseHeaders: headers,
            ...(isShown && answered !== undefined ? { ResponseBody: answered.toString('base64') } : {}),
          })
        },
      }
    },
  }
}

async function askPlugin(
  plugins: PluginRegistry,
  name: string,
  { method, question, answerMs }: { method: string; question: object; answerMs: number },
): Promise<{ allow: boolean; message: string }> {
  try {
    const plugin = await plugins.findPlugin(name, AUTHZ_KIND)
    const answer = objectOf(await plugin.call(method, question, AbortSignal.timeout(answerMs)), method)
    return { allow: answer['Allow'] === true, message: typeof answer['Msg'] === 'string' ? answer['Msg'] : '' }
  } catch (error) {
    throw new Failure('internal', `plugin ${name} failed with error: ${messageOf(error)}`, { cause: error })
  }
}

/** Undefined: it was longer. */
async function limited(reading: Promise<Buffer | undefined>): Promise<Buffer> {
  const body = await reading
  if (body !== undefined) return body
  const text = `request body too large for authorization plugin: size exceeds ${BODY_BYTES_MAX} bytes`
  throw new Failure('internal', text)
}

/** The names are the protocol's; what is empty is left out, as Go does. */
function describeRequest(request: IncomingMessage, body: Buffer | undefined): Record<string, unknown> {
  const { user, certificates } = peerOf(request)
  return {
    ...(user === undefined ? {} : { User: user, UserAuthNMethod: 'TLS' }),
    RequestMethod: request.method,
    RequestUri: request.url,
    ...(body === undefined || body.length === 0 ? {} : { RequestBody: body.toString('base64') }),
    RequestHeaders: goHeaders(request.rawHeaders),
    ...(certificates.length === 0 ? {} : { RequestPeerCertificates: certificates }),
  }
}

/** Under the names that Go gives them: `Content-Type`. */
function goHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = String(raw[i]).toLowerCase()
    if (PRIVATE_HEADERS.has(name) || name === 'host' || name === 'transfer-encoding') continue
    headers[name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase())] = String(raw[i + 1])
  }
  return headers
}

/** Who has shown a certificate that was verified. */
function peerOf({ socket }: IncomingMessage): { user?: string; certificates: string[] } {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return { certificates: [] }
  const certificate = socket.getPeerCertificate()
  if (certificate.raw === undefined) return { certificates: [] }
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate.raw.toString('base64').replace(/(.{64})(?=.)/g, '$1\n')}\n-----END CERTIFICATE-----\n`
  return { user: String(certificate.subject.CN ?? ''), certificates: [Buffer.from(pem).toString('base64')] }
}

/** `/auth` carries passwords. */
function isAuthPath(url: string): boolean {
  return /^\/(?:v\d[\d.]*\/)?auth/.test(url.split('?', 1)[0] ?? '')
}

function isJson(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json'
}
