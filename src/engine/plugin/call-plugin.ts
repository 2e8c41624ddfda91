// One call of a plugin's method: JSON by POST, over its socket or its address.
import { readFileSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Failure, messageOf } from '../../base/failure.ts'
import type { PluginPlace, PluginTls } from './plugin-place.ts'

const MEDIA_TYPE = 'application/vnd.docker.plugins.v1.2+json'
/** For plugins on a socket, whose host has no name. */
const SOCKET_HOST = 'plugin.moby.localhost'
const ANSWER_BYTES_MAX = 32 << 20

/** The plugin could not be reached: asking again may help. */
export class PluginUnreachable extends Error {}

/**
 * Resolves with what the plugin answered, parsed; undefined for an empty answer. Throws PluginUnreachable where there was no answer,
 * Failure('internal') with `method: reason` where the answer is an error or no JSON; with PluginUnreachable as its cause where the answer broke off:
 * the plugin may have done what it was asked.
 */
export async function callPlugin(
  place: PluginPlace,
  method: string,
  body: unknown,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<unknown> {
  const response = await ask(place, method, body, options.signal)
  const text = await readAnswer(method, response)
  if (response.statusCode !== 200) throw new Failure('internal', `${method}: ${reasonIn(text)}`)
  if (text.trim() === '') return undefined
  const parsed = tryParse(text)
  if (parsed === undefined) throw new Failure('internal', `${method}: the plugin's answer is not JSON`)
  return parsed
}

function ask(place: PluginPlace, method: string, body: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
  const sent = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = open(place, {
      method: 'POST',
      path: `/${method}`,
      headers: { Accept: MEDIA_TYPE, 'Content-Type': MEDIA_TYPE, 'Content-Length': Buffer.byteLength(sent) },
      ...(signal === undefined ? {} : { signal }),
    })
    request.once('response', resolve)
    request.once('error', (error) => reject(new PluginUnreachable(messageOf(error), { cause: error })))
    request.end(sent)
  })
}

function open(place: PluginPlace, options: object): ClientRequest {
  const socketPath = /^unix:\/\/(.*)$/s.exec(place.address)?.[1]
  if (socketPath !== undefined) return requestHttp({ ...options, socketPath, host: SOCKET_HOST, agent: false })
  const url = new URL(place.address.replace(/^tcp:/, place.tls === undefined ? 'http:' : 'https:'))
  const where = { ...options, host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port, agent: false }
  return url.protocol === 'https:' ? requestHttps({ ...where, ...tlsOptions(place.tls) }) : requestHttp(where)
}

function tlsOptions(tls: PluginTls | undefined): object {
  if (tls === undefined) return {}
  const file = (path: string) => (path === '' ? undefined : readFileSync(path))
  const { caFile, certFile, keyFile, isUnverified } = tls
  return { ca: file(caFile), cert: file(certFile), key: file(keyFile), rejectUnauthorized: !isUnverified }
}

async function readAnswer(method: string, response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let sizeBytes = 0
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      sizeBytes += part.length
      if (sizeBytes > ANSWER_BYTES_MAX) throw new Failure('internal', `${method}: the plugin's answer is too large`)
      parts.push(part)
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    const cause = new PluginUnreachable(messageOf(error), { cause: error })
    throw new Failure('internal', `${method}: ${cause.message}`, { cause })
  } finally {
    response.destroy()
  }
  return Buffer.concat(parts).toString('utf8')
}

/** `{"Err": "reason"}`, or the bare text. */
function reasonIn(text: string): string {
  const parsed = tryParse(text)
  const reason = typeof parsed === 'object' && parsed !== null && 'Err' in parsed ? parsed.Err : undefined
  return typeof reason === 'string' && reason !== '' ? reason : text
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
