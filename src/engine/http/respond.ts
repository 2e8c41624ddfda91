// Writes what a handler answered, in the shape of Docker's answers.
import type { ServerResponse } from 'node:http'
import { BERTH_VERSION, API_VERSION } from '../../api/versions.ts'
import { messageOf } from '../../base/failure.ts'
import type { ApiResponse } from './route.ts'

type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** On every answer of a known route. */
export const VERSION_HEADERS: HeaderPairs = [
  ['Api-Version', API_VERSION],
  ['Ostype', 'linux'],
  ['Server', `Docker/${BERTH_VERSION} (linux)`],
]

/** Missing on answers to requests of an unsupported version, as in Docker. */
export const API_HEADERS: HeaderPairs = [...VERSION_HEADERS, ['Docker-Experimental', 'false']]

export async function writeResponse(response: ServerResponse, answer: ApiResponse, common: HeaderPairs): Promise<void> {
  switch (answer.kind) {
    case 'json':
      return writeWhole(response, answer.status, 'application/json', encodeJson(answer.body), common)
    case 'text':
      return writeWhole(response, answer.status, 'text/plain; charset=utf-8', answer.body, common, answer.headers)
    case 'empty':
      writeHead(response, answer.status, emptyHeaders(answer.status), common)
      response.end()
      return
    case 'stream':
      writeHead(response, answer.status, [['Content-Type', answer.contentType]], common)
      response.flushHeaders()
      await answer.write(response)
      response.end()
      return
    case 'hijacked':
      return
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
  if (status === 304) {
    writeHead(response, status, [], common)
    response.end()
  } else if (asText) {
    const headers: HeaderPairs = [['X-Content-Type-Options', 'nosniff']]
    writeWhole(response, status, 'text/plain; charset=utf-8', `${messageOf(error)}\n`, common, headers)
  } else writeWhole(response, status, 'application/json', encodeJson({ message: messageOf(error) }), common)
}

/** As Go's encoder ends it. */
export function encodeJson(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

function writeWhole(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string,
  common: HeaderPairs,
  extra: HeaderPairs = [],
): void {
  const bytes = Buffer.from(body)
  const headers: HeaderPairs = [['Content-Type', contentType], ['Content-Length', String(bytes.length)], ...extra]
  writeHead(response, status, headers, common)
  response.end(bytes)
}

/** One array for Node: setHeader costs a map entry each, and this is on every request's path. */
function writeHead(response: ServerResponse, status: number, headers: HeaderPairs, common: HeaderPairs): void {
  response.writeHead(status, [...common, ...headers].flat())
}

function emptyHeaders(status: number): HeaderPairs {
  return status === 204 || status === 304 ? [] : [['Content-Length', '0']]
}
