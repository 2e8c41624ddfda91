// Plain HTTP to an engine's socket, for what no client would send.
import { type IncomingMessage, request as httpRequest } from 'node:http'

export interface ApiAnswer {
  status: number
  /** The `message` of an error, or the whole body. */
  text: string
  body: string
}

export interface ApiOptions {
  body?: unknown
  contentType?: string
  headers?: Record<string, string>
}

/** `call(socket, 'POST /v1.43/containers/create', { body })`. A string is sent as it is, anything else as JSON. */
export async function call(socketPath: string, line: string, options: ApiOptions = {}): Promise<ApiAnswer> {
  const [method = 'GET', path = '/'] = line.split(' ')
  const { body, contentType = body === undefined ? undefined : 'application/json' } = options
  const sent = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body)
  const headers = { ...options.headers, ...(contentType === undefined ? {} : { 'content-type': contentType }) }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path, headers, timeout: 20_000 }, resolve)
    request.on('timeout', () => request.destroy(new Error(`timed out: ${line}`)))
    request.on('error', reject)
    request.end(sent)
  })
  const parts: Buffer[] = []
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  const text = Buffer.concat(parts).toString()
  return { status: response.statusCode ?? 0, text: messageIn(text), body: text }
}

function messageIn(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message)
  } catch {
    // not an error's body
  }
  return text.trim()
}
