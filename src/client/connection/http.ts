// HTTP/1.1 as a client of one engine needs it: a request, an answer whose body streams, connections that change protocol.
import type { ByteStream } from './byte-stream.ts'

const HEAD_BYTES_MAX = 256 * 1024

export interface HttpRequest {
  method: string
  path: string
  headers: Readonly<Record<string, string>>
  body: string | Uint8Array | undefined
}

export interface HttpResponse {
  status: number
  reason: string
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>
  /** Reads to the end; then the connection can carry another request, if `isReusable`. */
  body: AsyncGenerator<Uint8Array, void, undefined>
  isReusable(): boolean
}

export async function sendRequest(stream: ByteStream, request: HttpRequest): Promise<void> {
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  if (body !== undefined) headers.push(`Content-Length: ${body.length}\r\n`)
  else if (request.method !== 'GET' && request.method !== 'HEAD') headers.push('Content-Length: 0\r\n')
  const head = Buffer.from(`${request.method} ${request.path} HTTP/1.1\r\n${headers.join('')}\r\n`)
  await stream.write(body === undefined ? head : Buffer.concat([head, body]))
}

/** A body whose length nobody knows, in chunks. Stops where `isOver` says that the answer has come before the end of it. */
export async function sendStream(
  stream: ByteStream,
  request: Omit<HttpRequest, 'body'>,
  source: AsyncIterable<Uint8Array>,
  isOver: () => boolean,
): Promise<void> {
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  await stream.write(
    `${request.method} ${request.path} HTTP/1.1\r\n${headers.join('')}Transfer-Encoding: chunked\r\n\r\n`,
  )
  for await (const bytes of source) {
    if (isOver()) return
    if (bytes.length === 0) continue
    await stream.write(`${bytes.length.toString(16)}\r\n`)
    await stream.write(bytes)
    await stream.write('\r\n')
  }
  await stream.write('0\r\n\r\n')
}

/** Waits for the head of the answer. `isHead`: the request was HEAD, so there is no body. */
export async function readResponse(stream: ByteStream, isHead: boolean): Promise<HttpResponse> {
  const text = await readHead(stream)
  const [first = '', ...lines] = text.split('\r\n')
  const match = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first)
  if (match === null) throw new Error(`malformed HTTP response ${JSON.stringify(first)}`)
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  const status = Number(match[1])
  if (status >= 100 && status < 200 && status !== 101) return readResponse(stream, isHead)
  let isComplete = false
  const isKept = headers.get('connection')?.toLowerCase() !== 'close' && status !== 101
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    if (isHead || status === 204 || status === 304) {
      // nothing follows
    } else if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') yield* readChunked(stream)
    else if (headers.has('content-length')) yield* readCounted(stream, Number(headers.get('content-length')))
    else {
      for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) yield chunk
      return
    }
    isComplete = true
  }
  return {
    status,
    reason: match[2] ?? '',
    headers,
    body: body(),
    isReusable: () => isComplete && isKept && stream.isOpen,
  }
}

async function readHead(stream: ByteStream): Promise<string> {
  let bytes: Uint8Array = new Uint8Array()
  for (;;) {
    const chunk = await stream.read()
    if (chunk === undefined) throw new Error(bytes.length === 0 ? 'EOF' : 'unexpected EOF')
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('\r\n\r\n')
    if (end >= 0) {
      if (end + 4 < bytes.length) stream.unread(bytes.subarray(end + 4))
      return Buffer.from(bytes.subarray(0, end)).toString('latin1')
    }
    if (bytes.length > HEAD_BYTES_MAX) throw new Error('the head of the HTTP response is too long')
  }
}

async function* readCounted(stream: ByteStream, length: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let left = length; left > 0; ) {
    const chunk = await stream.read()
    if (chunk === undefined) throw new Error('unexpected EOF')
    if (chunk.length > left) stream.unread(chunk.subarray(left))
    const part = chunk.subarray(0, left)
    left -= part.length
    yield part
  }
}

async function* readChunked(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const size = Number.parseInt(await readLine(stream), 16)
    if (!(size >= 0)) throw new Error('invalid chunk size in HTTP response')
    if (size === 0) {
      while ((await readLine(stream)) !== '');
      return
    }
    yield* readCounted(stream, size)
    await readLine(stream)
  }
}

async function readLine(stream: ByteStream): Promise<string> {
  let line = ''
  for (;;) {
    const chunk = await stream.read()
    if (chunk === undefined) throw new Error('unexpected EOF')
    const end = chunk.indexOf(10)
    line += Buffer.from(end < 0 ? chunk : chunk.subarray(0, end)).toString('latin1')
    if (end >= 0) {
      if (end + 1 < chunk.length) stream.unread(chunk.subarray(end + 1))
      return line.replace(/\r$/, '')
    }
    if (line.length > HEAD_BYTES_MAX) throw new Error('a line of the HTTP response is too long')
  }
}
