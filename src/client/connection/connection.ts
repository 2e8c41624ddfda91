// The client's side of the Engine API: requests, streams and hijacked connections over a unix socket or TCP.
import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http'
import type { Socket } from 'node:net'
import { Failure, type FailureCode } from '../../base/failure.ts'

export interface ApiCall {
  method: 'GET' | 'POST' | 'DELETE' | 'HEAD' | 'PUT'
  /** Without the version: `/containers/json`. */
  path: string
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
  body?: unknown
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal
}

export interface Hijacked {
  socket: Socket
}

/** The newest version this client speaks. */
const NEWEST: readonly [number, number] = [1, 52]

const CODE_OF_STATUS: Record<number, FailureCode> = {
  304: 'not-modified',
  400: 'invalid-argument',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  501: 'unimplemented',
  503: 'unavailable',
}

/** One engine. Calls reject with Failure whose text is the engine's own. */
export class Connection {
  readonly host: string
  readonly #target: RequestOptions
  #version: Promise<string> | undefined

  constructor(host: string) {
    this.host = host
    this.#target = targetOf(host)
  }

  /** `1.52`, or what the engine speaks where that is older; asked once. */
  version(): Promise<string> {
    this.#version ??= this.#negotiate()
    return this.#version
  }

  async json<T>(call: ApiCall): Promise<T> {
    const response = await this.open(call)
    const text = (await collect(response)).toString('utf8')
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** The response whose body is still to be read; errors have been turned into failures. */
  async open(call: ApiCall): Promise<IncomingMessage> {
    const response = await this.#send(call)
    const status = response.statusCode ?? 500
    if (status < 200 || status >= 300) throw await failureOf(response, status)
    return response
  }

  /** Attach and exec start: the connection becomes a byte stream. `head` bytes that came with the answer are put back. */
  hijack(call: ApiCall): Promise<Hijacked> {
    return this.#hijack(call)
  }

  async #hijack(call: ApiCall): Promise<Hijacked> {
    const options = await this.#options(call, { Connection: 'Upgrade', Upgrade: 'tcp' })
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({ ...options, agent: false })
      outgoing.on('upgrade', (_response, socket: Socket, head) => {
        if (head.length > 0) socket.unshift(head)
        resolve({ socket })
      })
      outgoing.on('response', (response) => void failureOf(response, response.statusCode ?? 500).then(reject, reject))
      outgoing.on('error', (error) => reject(this.#unreachable(error)))
      outgoing.end(call.body === undefined ? undefined : JSON.stringify(call.body))
    })
  }

  async #send(call: ApiCall): Promise<IncomingMessage> {
    const options = await this.#options(call, {})
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(options, resolve)
      outgoing.on('error', (error) => reject(this.#unreachable(error)))
      outgoing.end(call.body === undefined ? undefined : JSON.stringify(call.body))
    })
  }

  async #options(call: ApiCall, headers: Record<string, string>): Promise<RequestOptions> {
    const body = call.body === undefined ? {} : { 'Content-Type': 'application/json' }
    return {
      ...this.#target,
      method: call.method,
      path: `/v${await this.version()}${call.path}${formatQuery(call.query ?? {})}`,
      headers: { Host: 'docker', 'User-Agent': 'Berth-Client', ...body, ...headers, ...call.headers },
      ...(call.signal ? { signal: call.signal } : {}),
    }
  }

  #negotiate(): Promise<string> {
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        { ...this.#target, method: 'HEAD', path: '/_ping', headers: { Host: 'docker' } },
        (response) => {
          response.resume()
          resolve(olderOf(String(response.headers['api-version'] ?? '1.24')))
        },
      )
      outgoing.on('error', (error) => reject(this.#unreachable(error)))
      outgoing.end()
    })
  }

  #unreachable(error: NodeJS.ErrnoException): Error {
    if (error.name === 'AbortError') return error
    if (['ENOENT', 'ECONNREFUSED', 'EACCES'].includes(error.code ?? ''))
      return new Failure(
        'unavailable',
        `Cannot connect to the Docker daemon at ${this.host}. Is the docker daemon running?`,
        { cause: error },
      )
    return new Failure('unavailable', `error during connect: ${error.message}`, { cause: error })
  }
}

/** Everything of a response. */
export async function collect(response: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function targetOf(host: string): RequestOptions {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) }
  const match = /^(?:tcp|http):\/\/([^/:]+|\[[^\]]+\]):(\d+)\/?$/.exec(host)
  if (!match) throw new Failure('invalid-argument', `unable to parse docker host \`${host}\``)
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2]) }
}

function formatQuery(query: NonNullable<ApiCall['query']>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue
    if (typeof value === 'object') for (const item of value) params.append(key, item)
    else params.append(key, value === true ? '1' : value === false ? '0' : String(value))
  }
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}

function olderOf(theirs: string): string {
  const [major = 1, minor = 24] = theirs.split('.').map(Number)
  const isNewer = major > NEWEST[0] || (major === NEWEST[0] && minor > NEWEST[1])
  return isNewer ? NEWEST.join('.') : theirs
}

async function failureOf(response: IncomingMessage, status: number): Promise<Failure> {
  const text = (await collect(response)).toString('utf8')
  return new Failure(CODE_OF_STATUS[status] ?? 'internal', `Error response from daemon: ${messageIn(text)}`)
}

function messageIn(text: string): string {
  try {
    const body = JSON.parse(text) as { message?: unknown }
    if (typeof body.message === 'string') return body.message
  } catch {
    // attach errors are plain text
  }
  return text.trim()
}
