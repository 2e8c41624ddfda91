// A request that is whole in one read and asks for nothing out of the ordinary, read without an HTTP parser: nearly all requests are such.
import type { IncomingHttpHeaders } from 'node:http'

export interface PlainRequest {
  readonly method: string
  /** Path and query as they were sent. */
  readonly target: string
  /** By their lower-case names; shared by requests that have the same ones. */
  readonly headers: Readonly<IncomingHttpHeaders>
  readonly body: Buffer
}

/** A longer head is somebody else's to read. */
const HEAD_BYTES_MAX = 4096
const REQUEST_LINE = /^(GET|HEAD|POST|DELETE) (\/[!-~]*) HTTP\/1\.1$/
/** RFC 9110, section 5.1 and 5.5: a token, and visible characters with blanks between. */
const HEADER = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~](?:[ \t]*[!-~])*)?)[ \t]*$/
/** What changes how the request is framed, or what becomes of its connection. */
const SPECIAL = new Set(['transfer-encoding', 'upgrade', 'expect', 'trailer', 'te', 'keep-alive', 'proxy-connection'])
const KNOWN_MAX = 128

interface HeaderBlock {
  readonly headers: Readonly<IncomingHttpHeaders>
  readonly bodyBytes: number
}

/** By their text: a client sends the same ones with every request. */
const known = new Map<string, HeaderBlock>()

/** Undefined for anything that is not plainly a request: it is judged by a parser that knows all of HTTP. */
export function parsePlainRequest(bytes: Buffer): PlainRequest | undefined {
  const end = bytes.indexOf('\r\n\r\n', 0, 'latin1')
  if (end < 0 || end > HEAD_BYTES_MAX) return undefined
  const head = bytes.toString('latin1', 0, end)
  const lineEnd = head.indexOf('\r\n')
  const [, method, target] = REQUEST_LINE.exec(lineEnd < 0 ? head : head.slice(0, lineEnd)) ?? []
  if (method === undefined || target === undefined || lineEnd < 0) return undefined
  const block = findBlock(head.slice(lineEnd + 2))
  if (block === undefined || bytes.length !== end + 4 + block.bodyBytes) return undefined
  return { method, target, headers: block.headers, body: bytes.subarray(end + 4) }
}

function findBlock(text: string): HeaderBlock | undefined {
  const found = known.get(text)
  if (found !== undefined) return found
  const block = parseBlock(text)
  if (block === undefined) return undefined
  if (known.size === KNOWN_MAX) known.clear()
  known.set(text, block)
  return block
}

function parseBlock(text: string): HeaderBlock | undefined {
  const headers = Object.create(null) as Record<string, string>
  for (const line of text.split('\r\n')) {
    const [, name, value] = HEADER.exec(line) ?? []
    if (name === undefined || value === undefined) return undefined
    const key = name.toLowerCase()
    if (SPECIAL.has(key) || key in headers) return undefined
    headers[key] = value
  }
  const { host, connection = 'keep-alive', 'content-length': length = '0' } = headers
  if (host === undefined || connection.toLowerCase() !== 'keep-alive' || !/^\d{1,6}$/.test(length)) return undefined
  return { headers: Object.freeze(headers), bodyBytes: Number(length) }
}
