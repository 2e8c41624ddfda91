// The JSON body of a request, with Docker's checks.
import type { IncomingMessage } from 'node:http'
import { Failure, messageOf } from '../../base/failure.ts'
import { describeJsonError } from '../../oci/json-shape.ts'

/** A container's configuration with a seccomp profile in it is some 100 KB. */
const BODY_BYTES_MAX = 16 * 1024 * 1024

/** `body` is read only when the headers announce JSON. Undefined for an empty one. */
export async function readJsonBody(headers: Headers, body: AsyncIterable<Uint8Array>): Promise<unknown> {
  return announcesJson(headers) ? parseText(await readText(body)) : undefined
}

/** The same of a body that has come. */
export function parseJsonBody(headers: Headers, body: Buffer): unknown {
  return announcesJson(headers) ? parseText(body.toString('utf8')) : undefined
}

type Headers = Readonly<IncomingMessage['headers']>

/** Throws where there is a body of another type. */
function announcesJson(headers: Headers): boolean {
  const isEmpty = headers['content-length'] === '0' || !('content-length' in headers || 'transfer-encoding' in headers)
  const contentType = headers['content-type'] ?? ''
  if (contentType === '' && isEmpty) return false
  checkContentType(contentType)
  return !isEmpty
}

function parseText(text: string): unknown {
  if (text.trim() === '') throw new Failure('invalid-argument', 'invalid JSON: got EOF while reading request body')
  return parseJson(text)
}

function checkContentType(contentType: string): void {
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (mediaType === 'application/json') return
  if (mediaType === '')
    throw new Failure('invalid-argument', `malformed Content-Type header (${contentType}): mime: no media type`)
  throw new Failure('invalid-argument', `unsupported Content-Type header (${contentType}): must be 'application/json'`)
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > BODY_BYTES_MAX) throw new Failure('invalid-argument', 'http: request body too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Scripts grep for the words of Go's decoder: an end too soon, content behind the value, a wrong character. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (/after JSON/.test(messageOf(error))) throw new Failure('invalid-argument', 'unexpected content after JSON')
    throw new Failure('invalid-argument', `invalid JSON: ${describeJsonError(error)}`)
  }
}
