import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { EventEmitter, once } from 'node:events'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Failure } from '../../base/failure.ts'
import { silentLog } from '../../base/log.ts'
import { listenOn } from './listen.ts'
import type { Handlers } from './route.ts'
import { createApiServer } from './server.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-http-'))
const socketPath = join(directory, 'api.sock')
/** The stop under way. */
const stops: { signal: AbortSignal; finish: () => void }[] = []
const stopping = () => stops.at(-1)
let created = 0
let waitAborted: Promise<void> = Promise.resolve()

const handlers: Handlers = {
  'GET /_ping': async () => ({ kind: 'text', status: 200, body: 'OK', headers: [['Pragma', 'no-cache']] }),
  'GET /images/{name}/json': async (request) => {
    throw new Failure('not-found', `no <such> image: ${request.params['name']}`)
  },
  'GET /info': async () => {
    throw new TypeError('a broken invariant')
  },
  'POST /containers/create': async (request) => {
    created++
    return { kind: 'json', status: 201, body: { got: (await request.json()) ?? null } }
  },
  'POST /containers/{id}/start': async () => {
    throw new Failure('not-modified', '')
  },
  'POST /containers/{id}/stop': async ({ signal }) => {
    await new Promise<void>((finish) => {
      stops.push({ signal, finish })
    })
    return { kind: 'empty', status: 204 }
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

/** Sends raw bytes, optionally shuts down the writing side, and reads to the end (or to `until`). */
function talk(bytes: string, options: { end?: boolean; until?: string } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: socketPath, allowHalfOpen: true })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (options.until !== undefined && text.includes(options.until)) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('end', () => socket.destroy())
    socket.on('close', () => resolve(text))
    if (options.end) socket.end(bytes)
    else socket.write(bytes)
  })
}

const ask = (line: string, headers = '', body = '') =>
  talk(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n${body}`)
const post = (path: string, contentType: string, body: string) =>
  ask(
    `POST ${path}`,
    `${contentType === '' ? '' : `Content-Type: ${contentType}\r\n`}Content-Length: ${body.length}\r\n`,
    body,
  )
const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4)
const statusOf = (answer: string) => Number(answer.slice(9, 12))
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

/** Sends each text when the one before has been answered; the answers, their dates left out. */
async function converse(texts: readonly string[], count = texts.length): Promise<string[]> {
  const socket = createConnection({ path: socketPath })
  const answers: string[] = []
  let text = ''
  const wake = new EventEmitter()
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    for (let found = WHOLE.exec(text); found !== null; found = WHOLE.exec(text)) {
      const end = found[0].length + Number(found[1] ?? 0)
      if (text.length < end) break
      answers.push(text.slice(0, end).replace(/Date: .*\r\n/, ''))
      text = text.slice(end)
      wake.emit('answer')
    }
  })
  socket.on('close', () => wake.emit('answer'))
  for (const [index, each] of texts.entries()) {
    socket.write(each)
    const wanted = index === texts.length - 1 ? count : index + 1
    while (answers.length < wanted && !socket.destroyed) await once(wake, 'answer')
  }
  socket.destroy()
  return answers
}

/** A head that tells its body's length, or that there is none. */
const WHOLE = /^HTTP\/1\.1 \d+ [^\r]*\r\n(?:[A-Z][^\r]*\r\n)*?(?:Content-Length: (\d+)\r\n(?:[A-Z][^\r]*\r\n)*)?\r\n/

/** The same one for node:http: what it does not say outright, it leaves open. */
const viaNode = (request: string) => request.replace('Host: x\r\n', 'Host: x\r\nTE: trailers\r\n')

test('requests answered without node:http are answered as with it', async () => {
  const json = (path: string, body: string, type = 'application/json') =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const requests = [
    'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /v1.41/_ping HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /v1.99/_ping HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /images/a/b/json?x=1 HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /info HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /containers/a/start HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /containers/a/kill HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
    json('/v1.45/containers/create', '{"a":"\\u00e9"}'),
    json('/containers/create', '{"a":'),
    json('/containers/create', '{} {}'),
    json('/containers/create', '{}', 'text/plain'),
    json('/containers/create', JSON.stringify({ long: 'x'.repeat(40_000) })),
  ]
  const plain = await converse(requests)
  assert.equal(plain.length, requests.length)
  for (const [index, request] of requests.entries())
    assert.deepEqual(await converse([viaNode(request)]), [plain[index]], request)
})

test('a connection goes from plain requests to any other, and nothing of either is lost', async () => {
  const ping = 'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'
  const create = (body: string) =>
    `POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const chunked =
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n'
  const answers = await converse([ping, create('[0]'), chunked, create('[2]'), ping])
  assert.deepEqual(answers.map(bodyOf), ['OK', '{"got":[0]}\n', '{"got":[1]}\n', '{"got":[2]}\n', 'OK'])
  // Several at once, and one in pieces.
  const together = await converse([`${ping}${create('[1]')}${ping}`], 3)
  assert.deepEqual(together.map(bodyOf), ['OK', '{"got":[1]}\n', 'OK'])
  const [head, tail] = [create('[3]').slice(0, 40), create('[3]').slice(40)]
  const socket = createConnection({ path: socketPath })
  socket.write(head)
  await new Promise((resolve) => setImmediate(resolve))
  socket.write(tail)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  assert.equal(bodyOf(chunk.toString()), '{"got":[3]}\n')
  socket.destroy()
})

test('a client that sends while it waits, or that shuts its side, is answered; its going is told', async () => {
  const slow = 'POST /containers/a/stop HTTP/1.1\r\nHost: x\r\n\r\n'
  const socket = createConnection({ path: socketPath, allowHalfOpen: true })
  let text = ''
  socket.on('data', (chunk) => {
    text += String(chunk)
  })
  socket.write(slow)
  await eventually(() => stops.length > 0)
  socket.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
  stopping()?.finish()
  await eventually(() => text.endsWith('OK'))
  assert.match(text, /^HTTP\/1\.1 204 No Content\r\n[\s\S]*HTTP\/1\.1 200 OK/)
  socket.destroy()
  // Half-closed: answered, then closed.
  stops.length = 0
  const half = talk(slow, { end: true })
  await eventually(() => stopping()?.signal.aborted === true)
  stopping()?.finish()
  assert.equal(statusOf(await half), 204)
  // Gone: the handler hears of it, and the server lives on.
  stops.length = 0
  const gone = createConnection({ path: socketPath })
  gone.write(slow)
  await eventually(() => stops.length > 0)
  gone.destroy()
  await eventually(() => stopping()?.signal.aborted === true)
  stopping()?.finish()
  assert.equal(statusOf(await ask('GET /_ping')), 200)
})

test('a client that takes no answers is asked for no more requests', async () => {
  const socket = createConnection({ path: socketPath })
  const body = JSON.stringify({ long: 'x'.repeat(30_000) })
  const request = `POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  socket.pause()
  created = 0
  let sent = 0
  const isStuck = async () => {
    const before = created
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    return created === before && socket.writableNeedDrain
  }
  do {
    socket.write(request)
    sent++
  } while (!(await isStuck()))
  assert.ok(created < sent)
  socket.resume()
  await eventually(() => created === sent)
  socket.destroy()
})

async function eventually(isSo: () => boolean): Promise<void> {
  const end = Date.now() + 30_000
  while (!isSo()) {
    assert.ok(Date.now() < end, `it never came to ${isSo}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

test('an idle connection goes when the server closes, one that waits is answered first', async () => {
  const path = join(directory, 'other.sock')
  const other = createApiServer({ handlers, log: silentLog })
  await listenOn({ kind: 'unix', path }, { ...listening, makeServer: () => other })
  const [idle, busy] = [createConnection(path), createConnection(path)]
  idle.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(idle, 'data')
  stops.length = 0
  busy.write('POST /containers/a/stop HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually(() => stops.length > 0)
  other.close()
  await once(idle, 'close')
  stopping()?.finish()
  const [answer] = (await once(busy, 'data')) as [Buffer]
  assert.equal(statusOf(answer.toString()), 204)
  other.closeAllConnections()
  await once(busy, 'close')
})
