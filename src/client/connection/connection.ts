// The client's side of the Engine API: requests, streams and connections that become byte streams.
import { Failure, type FailureCode, isFailure } from '../../base/failure.ts'
import { type ByteStream, openByteStream, type Target } from './byte-stream.ts'
import { type HttpRequest, type HttpResponse, readResponse, sendRequest, sendStream } from './http.ts'

export interface ApiCall {
  method: 'GET' | 'POST' | 'DELETE' | 'HEAD' | 'PUT'
  /** Without the version: `/containers/json`. */
  path: string
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
  /** JSON, unless it is bytes. */
  body?: unknown
  /** A body that comes piece by piece, in the place of `body`. */
  upload?: AsyncIterable<Uint8Array>
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal
}

export interface Endpoint {
  /** As the user gave it, for messages: `unix:///run/berth.sock`. */
  host: string
  target: Target
  /** `Host` of the requests, and prefix of their paths. */
  hostHeader: string
  basePath: string
  /** HttpHeaders of config.json. */
  headers: Readonly<Record<string, string>>
  /** DOCKER_API_VERSION: no negotiation. */
  apiVersion: string | undefined
}

/** The newest version this client speaks: that of Docker 28. */
export const NEWEST_API_VERSION = '1.50'
/** A connection that nobody has used for this long may just be being closed by the engine. */
const IDLE_MS_MAX = 1000

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

export interface Answer {
  headers: ReadonlyMap<string, string>
  body: AsyncIterable<Uint8Array>
}

/** What the engine says of itself in its answer to a ping. */
export interface Ping {
  apiVersion: string
  osType: string
  isExperimental: boolean
  /** `inactive`, `active/manager`, …; undefined where the engine does not say. */
  swarm: string | undefined
}

/** One engine. Calls reject with Failure whose text is the engine's own. */
export class Connection {
  readonly host: string
  readonly #endpoint: Endpoint
  #ping: Promise<Ping> | undefined
  #idle: { stream: ByteStream; sinceMs: number } | undefined

  constructor(endpoint: Endpoint) {
    this.host = endpoint.host
    this.#endpoint = endpoint
  }

  get target(): Target {
    return this.#endpoint.target
  }

  /** `1.50`, or what the engine speaks where that is older; asked once. */
  async version(): Promise<string> {
    const theirs = this.#endpoint.apiVersion ?? (await this.ping()).apiVersion
    return this.#endpoint.apiVersion === undefined && isOlder(NEWEST_API_VERSION, theirs) ? NEWEST_API_VERSION : theirs
  }

  ping(): Promise<Ping> {
    this.#ping ??= this.#askPing()
    return this.#ping
  }

  async json<T>(call: ApiCall): Promise<T> {
    const text = await this.text(call)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** The whole body, as the engine wrote it. */
  async text(call: ApiCall): Promise<string> {
    return (await collect(await this.open(call))).toString('utf8')
  }

  /** For calls whose answer says nothing but that it went well. */
  async send(call: ApiCall): Promise<void> {
    await collect(await this.open(call))
  }

  /** The body while it comes; errors have been turned into failures. */
  async open(call: ApiCall): Promise<AsyncIterable<Uint8Array>> {
    return (await this.answer(call)).body
  }

  /** As `open`, with the answer's headers, whose names are in lower case. */
  async answer(call: ApiCall): Promise<Answer> {
    const { stream, response } = await this.#exchange(call, {})
    if (response.status < 200 || response.status >= 300) {
      const failure = failureOf(response.status, (await collect(response.body)).toString('utf8'), response.reason)
      this.#giveBack(stream, response)
      throw failure
    }
    return { headers: response.headers, body: this.#body(stream, response) }
  }

  /** Attach and exec start: the connection becomes a byte stream. */
  async hijack(call: ApiCall): Promise<ByteStream> {
    const { stream, response } = await this.#exchange(call, { Connection: 'Upgrade', Upgrade: 'tcp' })
    // Engines that don't know the upgrade answer 200 and go on with raw bytes.
    if (response.status === 101 || response.status === 200) return stream
    const text = (await collect(response.body)).toString('utf8')
    stream.destroy()
    throw failureOf(response.status, text, response.reason)
  }

  async *#body(stream: ByteStream, response: HttpResponse): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* response.body
    } finally {
      this.#giveBack(stream, response)
    }
  }

  async #exchange(
    call: ApiCall,
    more: Record<string, string>,
  ): Promise<{ stream: ByteStream; response: HttpResponse }> {
    const version = await this.version()
    const isJson = call.body !== undefined && !(call.body instanceof Uint8Array)
    const request = {
      method: call.method,
      path: `${this.#endpoint.basePath}/v${version}${call.path}${formatQuery(call.query ?? {})}`,
      headers: {
        Host: this.#endpoint.hostHeader,
        'User-Agent': 'Berth-Client',
        ...this.#endpoint.headers,
        ...(isJson ? { 'Content-Type': 'application/json' } : {}),
        ...more,
        ...call.headers,
      },
      body: call.body instanceof Uint8Array ? call.body : isJson ? JSON.stringify(call.body) : undefined,
    }
    const stream = await this.#take(call)
    call.signal?.addEventListener('abort', () => stream.destroy(), { once: true })
    try {
      if (call.upload !== undefined) return { stream, response: await exchangeUpload(stream, request, call.upload) }
      await sendRequest(stream, request)
      return { stream, response: await readResponse(stream, call.method === 'HEAD') }
    } catch (error) {
      stream.destroy()
      throw this.#broken(error, call)
    }
  }

  async #take(call: ApiCall): Promise<ByteStream> {
    const idle = this.#idle
    this.#idle = undefined
    if (idle?.stream.isOpen && Date.now() - idle.sinceMs < IDLE_MS_MAX) return idle.stream
    idle?.stream.destroy()
    try {
      return await openByteStream(this.#endpoint.target)
    } catch (error) {
      throw this.#broken(error, call)
    }
  }

  #giveBack(stream: ByteStream, response: HttpResponse): void {
    if (this.#idle === undefined && response.isReusable()) this.#idle = { stream, sinceMs: Date.now() }
    else stream.destroy()
  }

  async #askPing(): Promise<Ping> {
    const call: ApiCall = { method: 'HEAD', path: '/_ping' }
    const stream = await this.#take(call)
    try {
      const headers = { Host: this.#endpoint.hostHeader, 'User-Agent': 'Berth-Client', ...this.#endpoint.headers }
      await sendRequest(stream, { ...call, path: `${this.#endpoint.basePath}/_ping`, headers, body: undefined })
      const response = await readResponse(stream, true)
      await collect(response.body)
      this.#giveBack(stream, response)
      return {
        apiVersion: response.headers.get('api-version') ?? '1.24',
        osType: response.headers.get('ostype') ?? '',
        isExperimental: response.headers.get('docker-experimental') === 'true',
        swarm: response.headers.get('swarm'),
      }
    } catch (error) {
      stream.destroy()
      throw this.#broken(error, call)
    }
  }

  #broken(thrown: unknown, call: ApiCall): Error {
    const error = thrown as NodeJS.ErrnoException
    const { target } = this.#endpoint
    const url = `${target.kind === 'tcp' && target.tls ? 'https' : 'http'}://${target.kind === 'unix' ? encodeURIComponent(target.path) : this.#endpoint.hostHeader}${call.path === '/_ping' ? '' : `/v${this.#endpoint.apiVersion ?? NEWEST_API_VERSION}`}${call.path}`
    const verb = `${call.method[0]}${call.method.slice(1).toLowerCase()}`
    const during = (why: string) =>
      new Failure('unavailable', `error during connect: ${verb} "${url}": ${why}`, { cause: error })
    if (isFailure(error)) return during(error.message)
    if (error.code === 'EACCES')
      return new Failure(
        'unavailable',
        `permission denied while trying to connect to the Docker daemon socket at ${this.host}: ${verb} "${url}": dial unix ${target.kind === 'unix' ? target.path : ''}: connect: permission denied`,
      )
    if (['ENOENT', 'ECONNREFUSED', 'FailedToOpenSocket'].includes(error.code ?? ''))
      return new Failure(
        'unavailable',
        `Cannot connect to the Docker daemon at ${this.host}. Is the docker daemon running?`,
        { cause: error },
      )
    return during(error.message)
  }
}

/** An engine that refuses answers before the end of what is sent, and may close the connection under us: its words count. */
async function exchangeUpload(
  stream: ByteStream,
  request: Omit<HttpRequest, 'body'>,
  source: AsyncIterable<Uint8Array>,
): Promise<HttpResponse> {
  let isAnswered = false
  const answer = readResponse(stream, false).finally(() => {
    isAnswered = true
  })
  const sent = sendStream(stream, request, source, () => isAnswered)
  const failed = sent.then(
    () => answer,
    async (error: unknown) => {
      // What the source itself fails with ends it; a broken connection may have an answer in it.
      if ((error as NodeJS.ErrnoException).syscall !== 'write' && stream.isOpen) stream.destroy()
      return await answer.catch(() => Promise.reject(error))
    },
  )
  return await Promise.race([answer, failed])
}

/** Everything of a body. */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function formatQuery(query: NonNullable<ApiCall['query']>): string {
  const pairs: string[] = []
  const add = (key: string, value: string) => pairs.push(`${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue
    if (typeof value === 'object') for (const item of value) add(key, item)
    else add(key, value === true ? '1' : value === false ? '0' : String(value))
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** Whether version `a` of the API came before `b`. */
export function isOlder(a: string, b: string): boolean {
  const [major = 0, minor = 0] = a.split('.').map(Number)
  const [otherMajor = 0, otherMinor = 0] = b.split('.').map(Number)
  return major < otherMajor || (major === otherMajor && minor < otherMinor)
}

function failureOf(status: number, text: string, reason: string): Failure {
  const code = CODE_OF_STATUS[status] ?? 'internal'
  if (text.trim() === '')
    return new Failure(
      code,
      `request returned ${reason} for API route and version, check if the server supports the requested API version`,
    )
  return new Failure(code, `Error response from daemon: ${messageIn(text)}`)
}

function messageIn(text: string): string {
  try {
    const body = JSON.parse(text) as { message?: unknown }
    if (typeof body.message === 'string') return body.message.trim()
  } catch {
    // attach errors are plain text
  }
  return text.trim()
}
