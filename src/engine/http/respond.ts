// Writes what a handler answered, in the shape of Docker's answers.
import { type ServerResponse, STATUS_CODES } from 'node:http'
import { BERTH_VERSION, API_VERSION } from '../../api/versions.ts'
import { messageOf } from '../../base/failure.ts'
import type { ApiResponse, HeaderPairs } from './route.ts'

/** On every answer of a known route. */
export const VERSION_HEADERS: HeaderPairs = [
  ['Api-Version', API_VERSION],
  ['Ostype', 'linux'],
  ['Server', `Docker/${BERTH_VERSION} (linux)`],
]

/** On every answer to a request of a supported version. */
export function apiHeaders(isExperimental: boolean): HeaderPairs {
  return [...VERSION_HEADERS, ['Docker-Experimental', String(isExperimental)]]
}

export async function writeResponse(response: ServerResponse, answer: ApiResponse, common: HeaderPairs): Promise<void> {
  if (answer.kind === 'hijacked') return
  const body = answer.kind === 'json' ? encodeJson(answer.body) : bodyOf(answer)
  if (body !== undefined) return writeWhole(response, answer.status, headersOf(answer), body, common)
  writeHead(response, answer.status, headersOf(answer), common)
  if (answer.kind === 'stream') {
    response.flushHeaders()
    await answer.write(response)
  }
  response.end()
}

type Written = Exclude<ApiResponse, { kind: 'hijacked' }>
export type WholeAnswer = Exclude<Written, { kind: 'stream' }>

/** Undefined where there is none, or where it is a stream. */
export function bodyOf(answer: Written): Buffer | undefined {
  if (answer.kind === 'json') return Buffer.from(encodeJson(answer.body))
  return answer.kind === 'text' ? Buffer.from(answer.body) : undefined
}

/** But those that every answer has, and the length of a body. */
export function headersOf(answer: Written): HeaderPairs {
  switch (answer.kind) {
    case 'json':
      return JSON_HEADERS
    case 'text':
      return [['Content-Type', 'text/plain; charset=utf-8'], ...(answer.headers ?? [])]
    case 'empty':
      return [...emptyHeaders(answer.status), ...(answer.headers ?? [])]
    case 'stream':
      return [['Content-Type', answer.contentType], ...(answer.headers ?? [])]
  }
}

/** Docker's error body. Clients older than 1.24, which are only told that they are too old, expect plain text. */
export function writeError(
  response: ServerResponse,
  status: number,
  error: unknown,
  common: HeaderPairs,
  asText = false,
): void {
  if (asText) {
    const headers: HeaderPairs = [
      ['Content-Type', 'text/plain; charset=utf-8'],
      ['X-Content-Type-Options', 'nosniff'],
    ]
    writeWhole(response, status, headers, Buffer.from(`${messageOf(error)}\n`), common)
  } else {
    const answer = errorAnswer(status, error)
    if (answer.kind === 'json') writeWhole(response, status, headersOf(answer), encodeJson(answer.body), common)
    else {
      writeHead(response, status, [], common)
      response.end()
    }
  }
}

export function errorAnswer(status: number, error: unknown): WholeAnswer {
  return status === 304 ? { kind: 'empty', status } : { kind: 'json', status, body: { message: messageOf(error) } }
}

/** The bytes of an answer, its head in front, for a connection that stays open: what writeResponse makes node:http write. */
export function encodeWhole(answer: WholeAnswer, common: HeaderPairs): Buffer | string {
  const { status } = answer
  const [type, ...others] = headersOf(answer)
  const text = answer.kind === 'json' ? JSON.stringify(answer.body) : answer.kind === 'text' ? answer.body : undefined
  const end = answer.kind === 'json' ? '\n' : ''
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n${linesOf(common)}`
  if (type !== undefined) head += lineOf(...type)
  if (text === undefined) return `${head}${others.map((pair) => lineOf(...pair)).join('')}Date: ${httpDate()}\r\n\r\n`
  const size = Buffer.byteLength(text) + end.length
  head += `Content-Length: ${size}\r\n`
  for (const pair of others) head += lineOf(...pair)
  head += `Date: ${httpDate()}\r\n\r\n`
  if (text.length <= SHORT_LENGTH_MAX) return head + text + end
  const bytes = Buffer.allocUnsafe(head.length + size)
  bytes.write(head, 'latin1')
  bytes.write(text, head.length)
  bytes.write(end, bytes.length - end.length)
  return bytes
}

/** Of the server's own: once for all answers. */
function linesOf(common: HeaderPairs): string {
  let lines = COMMON_LINES.get(common)
  if (lines === undefined) {
    lines = common.map((pair) => lineOf(...pair)).join('')
    COMMON_LINES.set(common, lines)
  }
  return lines
}

const COMMON_LINES = new WeakMap<HeaderPairs, string>()

/** Throws where the value would end its line, or is no ASCII: what these routes say of themselves is. */
function lineOf(name: string, value: string): string {
  if (!/^[\t -~]*$/.test(value)) throw new Error(`${name} can not be ${JSON.stringify(value)}`)
  return `${name}: ${value}\r\n`
}

let dateSecond = 0
let dateText = ''

/** As of this second. */
function httpDate(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) [dateSecond, dateText] = [second, new Date(second * 1000).toUTCString()]
  return dateText
}

const JSON_HEADERS: HeaderPairs = [['Content-Type', 'application/json']]

/** As Go's encoder ends it. Of a long one the line's end is put behind it in the buffer: behind the text it would copy all of it once more. */
function encodeJson(value: unknown): Buffer | string {
  const text = JSON.stringify(value)
  if (text.length <= SHORT_LENGTH_MAX) return `${text}\n`
  const bytes = Buffer.allocUnsafe(Buffer.byteLength(text) + 1)
  bytes[bytes.write(text)] = LINE_END
  return bytes
}

const LINE_END = 0x0a
/** Node writes a short text and the head before it as one; a buffer, and the head, as two. */
const SHORT_LENGTH_MAX = 16 * 1024

function writeWhole(
  response: ServerResponse,
  status: number,
  headers: HeaderPairs,
  body: Buffer | string,
  common: HeaderPairs,
): void {
  const [type, ...others] = headers
  const flat = flatten(common)
  if (type !== undefined) flat.push(...type)
  flat.push('Content-Length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.length))
  response.writeHead(status, flatten(others, flat))
  response.end(body)
}

function writeHead(response: ServerResponse, status: number, headers: HeaderPairs, common: HeaderPairs): void {
  response.writeHead(status, flatten(headers, flatten(common)))
}

/** Behind what `flat` has. One array for Node: setHeader costs a map entry each, and this is on every request's path, where `flat()` was most of it. */
function flatten(pairs: HeaderPairs, flat: string[] = []): string[] {
  for (const [name, value] of pairs) flat.push(name, value)
  return flat
}

function emptyHeaders(status: number): HeaderPairs {
  return status === 204 || status === 304 ? [] : [['Content-Length', '0']]
}
