import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { bodyOf, statusOf, talkTo, type TalkOptions } from '../../../test/harness/raw-http.ts'
import { Failure } from '../../base/failure.ts'
import { silentLog } from '../../base/log.ts'
import { listenOn } from './listen.ts'
import type { Handlers } from './route.ts'
import { createApiServer } from './server.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-http-'))
const socketPath = join(directory, 'api.sock')
let waitAborted: Promise<void> = Promise.resolve()

const handlers: Handlers = {
  'GET /_ping': async () => ({ kind: 'text', status: 200, body: 'OK', headers: [['Pragma', 'no-cache']] }),
  'GET /images/{name}/json': async (request) => {
    throw new Failure('not-found', `no <such> image: ${request.params['name']}`)
  },
  'GET /info': async () => {
    throw new TypeError('a broken invariant')
  },
  'POST /containers/create': async (request) => ({
    kind: 'json',
    status: 201,
    body: { got: (await request.json()) ?? null },
  }),
  'POST /containers/{id}/start': async () => {
    throw new Failure('not-modified', '')
  },
  'POST /containers/{id}/kill': async () => ({ kind: 'empty', status: 204 }),
  'POST /containers/{id}/wait': async (request) => ({
    kind: 'stream',
    status: 200,
    contentType: 'application/json',
    write: () => {
      waitAborted = new Promise((resolve) => request.signal.addEventListener('abort', () => resolve()))
      return waitAborted
    },
  }),
  'POST /containers/{id}/attach': async (request) => {
    if (request.params['id'] === 'nope') throw new Failure('not-found', 'No such container: nope')
    const stream = await request.hijack('multiplexed')
    // Answers only when the client has shut its side: so half-close must work in both directions.
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.once('end', () => stream.end(`got ${Buffer.concat(chunks)}`))
    return { kind: 'hijacked' }
  },
  'POST /exec/{id}/start': async (request) => {
    const body = await request.json()
    const stream = await request.hijack('multiplexed')
    stream.on('data', (chunk: Buffer) => stream.end(`${JSON.stringify(body)} ${chunk}`))
    return { kind: 'hijacked' }
  },
}

const server = createApiServer({ handlers, log: silentLog })
const listening = { makeServer: () => server, isTls: false, group: '', activated: [], log: silentLog }
before(() => listenOn({ kind: 'unix', path: socketPath }, listening))
after(() => {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true })
})

const talk = (bytes: string, options?: TalkOptions) => talkTo(socketPath, bytes, options)
const ask = (line: string, headers = '', body = '') =>
  talk(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n${body}`)
const post = (path: string, contentType: string, body: string) =>
  ask(
    `POST ${path}`,
    `${contentType === '' ? '' : `Content-Type: ${contentType}\r\n`}Content-Length: ${body.length}\r\n`,
    body,
  )
const headersOf = (answer: string) =>
  answer
    .slice(0, answer.indexOf('\r\n\r\n'))
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(':', 1)[0])
    .sort()

test('ping carries the headers that clients negotiate with', async () => {
  const answer = await ask('GET /_ping')
  assert.equal(bodyOf(answer), 'OK')
  assert.match(answer, /\r\nApi-Version: 1\.52\r\n/)
  assert.match(answer, /\r\nServer: Docker\/[\d.]+ \(linux\)\r\n/)
  assert.deepEqual(headersOf(answer), [
    'Api-Version',
    'Connection',
    'Content-Length',
    'Content-Type',
    'Date',
    'Docker-Experimental',
    'Ostype',
    'Pragma',
    'Server',
  ])
})

test('a connection that stays open is not announced as such, and serves again', async () => {
  const answer = await talk(
    'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\nGET /v1.24/_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  )
  assert.equal(answer.split('HTTP/1.1 200 OK').length, 3)
  assert.equal(answer.match(/Connection:/g)?.length, 1)
  assert.doesNotMatch(answer, /Keep-Alive/i)
})

test('versions out of range are refused in the words that clients know', async () => {
  const tooNew = await ask('GET /v1.99/_ping')
  assert.equal(statusOf(tooNew), 400)
  assert.equal(bodyOf(tooNew), '{"message":"client version 1.99 is too new. Maximum supported API version is 1.52"}\n')
  assert.deepEqual(headersOf(tooNew), [
    'Api-Version',
    'Connection',
    'Content-Length',
    'Content-Type',
    'Date',
    'Ostype',
    'Server',
  ])
  const tooOld = await ask('GET /v1.5/info')
  assert.equal(statusOf(tooOld), 400)
  assert.equal(
    bodyOf(tooOld),
    'client version 1.5 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n',
  )
  assert.match(tooOld, /Content-Type: text\/plain; charset=utf-8\r\n/)
})

test('unknown paths and wrong methods are both "page not found", without the API headers', async () => {
  for (const line of ['GET /nope', 'POST /_ping', 'GET /v1.99/nope', 'GET /_ping/', 'GET /']) {
    const answer = await ask(line)
    assert.equal(statusOf(answer), 404, line)
    assert.equal(bodyOf(answer), '{"message":"page not found"}\n')
    assert.deepEqual(headersOf(answer), ['Connection', 'Content-Length', 'Content-Type', 'Date'])
  }
})

test('a path that is not clean is redirected to the clean one', async () => {
  assert.match(
    await ask('GET /v1.41//containers//foo/json?a=b'),
    /^HTTP\/1\.1 301 [\s\S]*\r\nLocation: \/v1\.41\/containers\/foo\/json\?a=b\r\n/,
  )
  assert.match(await ask('GET /containers/../_ping'), /\r\nLocation: \/_ping\r\n/)
})

test('names match greedily and are decoded; error bodies are not HTML-escaped', async () => {
  const answer = await ask('GET /images/127.0.0.1:5000/a/%62/json')
  assert.equal(statusOf(answer), 404)
  assert.equal(bodyOf(answer), '{"message":"no <such> image: 127.0.0.1:5000/a/b"}\n')
  assert.equal(statusOf(await ask('GET /images/%zz/json')), 400)
})

test('failures become statuses: not modified has no body, a broken invariant is 500', async () => {
  assert.equal(statusOf(await post('/containers/a/start', '', '')), 304)
  const answer = await ask('GET /info')
  assert.equal(statusOf(answer), 500)
  assert.equal(bodyOf(answer), '{"message":"a broken invariant"}\n')
})

test('204 has neither body nor length', async () => {
  const answer = await post('/containers/a/kill', '', '')
  assert.equal(statusOf(answer), 204)
  assert.doesNotMatch(answer, /Content-Length|Transfer-Encoding/)
})

test('JSON bodies are checked', async () => {
  const json = 'application/json; charset=utf-8'
  const table: [contentType: string, body: string, status: number, message: string][] = [
    [json, '{"a":1}', 201, '{"got":{"a":1}}\n'],
    ['', '', 201, '{"got":null}\n'],
    [
      'text/plain',
      '{}',
      400,
      `{"message":"unsupported Content-Type header (text/plain): must be 'application/json'"}\n`,
    ],
    ['', '{}', 400, '{"message":"malformed Content-Type header (): mime: no media type"}\n'],
    [json, '{', 400, '{"message":"invalid JSON: unexpected EOF"}\n'],
    [json, '{} {}', 400, '{"message":"unexpected content after JSON"}\n'],
    [json, ' ', 400, '{"message":"invalid JSON: got EOF while reading request body"}\n'],
  ]
  for (const [contentType, body, status, message] of table) {
    const answer = await post('/containers/create', contentType, body)
    assert.equal(bodyOf(answer), message)
    assert.equal(statusOf(answer), status)
  }
})

test('attach is upgraded, early bytes are kept, half-close works both ways', async () => {
  const request = 'POST /v1.45/containers/a/attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'
  assert.equal(
    await talk(`${request}early bytes`, { end: true }),
    'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\ngot early bytes',
  )
  assert.match(await talk(request.replace('1.45', '1.41'), { end: true }), /raw-stream/)
})

test('attach without an Upgrade header is a raw stream, early bytes included', async () => {
  const request = 'POST /containers/a/attach HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n'
  assert.equal(await talk(request, { end: true }), `${head}got `)
  assert.equal(await talk(`${request}\x01early`, { end: true }), `${head}got \x01early`)
})

test('exec start reads its body before the stream, sized or chunked, and repeats the API headers', async () => {
  const start = (headers: string, body: string) =>
    talk(
      `POST /exec/a/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n${headers}\r\n${body}`,
    )
  const exact = await start('Content-Length: 13\r\n', '{"Tty":false}stdin')
  assert.match(
    exact,
    /^HTTP\/1\.1 101 UPGRADED\r\n[\s\S]*\r\nApi-Version: 1\.52\r\n[\s\S]*\r\n\r\n\{"Tty":false\} stdin$/,
  )
  const chunked = await start('Transfer-Encoding: chunked\r\n', '6\r\n{"Tty"\r\n7\r\n:false}\r\n0\r\n\r\nstdin')
  assert.match(chunked, /\{"Tty":false\} stdin$/)
})

test('a failure of attach is raw text on the connection', async () => {
  const expected =
    'HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: nope\r\n'
  assert.equal(await talk('POST /containers/nope/attach HTTP/1.1\r\nHost: x\r\n\r\n'), expected)
  assert.equal(
    await talk('POST /containers/nope/attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'),
    expected,
  )
})

test('a stream flushes its head at once, and learns when the client has gone', async () => {
  const head = await talk('POST /containers/a/wait HTTP/1.1\r\nHost: x\r\n\r\n', { until: '\r\n\r\n' })
  assert.equal(statusOf(head), 200)
  await waitAborted
})

test('an upgrade that no route takes is answered as any other request', async () => {
  const answer = await talk('POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
  assert.equal(bodyOf(answer), '{"message":"page not found"}\n')
})

test('what is not HTTP is turned away', async () => {
  assert.equal(
    await talk('GARBAGE\r\n\r\n'),
    'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request',
  )
})
