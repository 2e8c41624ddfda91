import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually } from '../../../test/harness/command.ts'
import { bodyOf, statusOf, talkTo } from '../../../test/harness/raw-http.ts'
import { Failure } from '../../base/failure.ts'
import { silentLog } from '../../base/log.ts'
import { listenOn } from './listen.ts'
import type { Handlers } from './route.ts'
import { createApiServer } from './server.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-plain-'))
const socketPath = join(directory, 'api.sock')
/** Under way, the last one at the end. */
const stops: { signal: AbortSignal; finish: () => void }[] = []
const stopping = () => stops.at(-1)
let created = 0

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
}

const server = createApiServer({ handlers, log: silentLog })
const listening = { makeServer: () => server, isTls: false, group: '', activated: [], log: silentLog }
before(() => listenOn({ kind: 'unix', path: socketPath }, listening))
after(() => {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true })
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
  for (const request of [slow, viaNode(slow)]) await sendEarly(request)
})

test('requests behind each other of a client that then shuts its side are all answered', async () => {
  const ping = 'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'
  for (const request of [ping, viaNode(ping)]) {
    const text = await talkTo(socketPath, request.repeat(3), { end: true })
    assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 3)
  }
})

async function sendEarly(slow: string): Promise<void> {
  stops.length = 0
  const socket = createConnection({ path: socketPath, allowHalfOpen: true })
  let text = ''
  socket.on('data', (chunk) => {
    text += String(chunk)
  })
  socket.write(slow)
  await eventually('it has come to that', 30_000, () => stops.length > 0)
  socket.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
  stopping()?.finish()
  await eventually('it has come to that', 30_000, () => text.endsWith('OK'))
  assert.match(text, /^HTTP\/1\.1 204 No Content\r\n[\s\S]*HTTP\/1\.1 200 OK/)
  socket.destroy()
  // Half-closed: answered, then closed.
  stops.length = 0
  const half = talkTo(socketPath, slow, { end: true })
  await eventually('it has come to that', 30_000, () => stopping()?.signal.aborted === true)
  stopping()?.finish()
  assert.equal(statusOf(await half), 204)
  // Gone: the handler hears of it, and the server lives on.
  stops.length = 0
  const gone = createConnection({ path: socketPath })
  gone.write(slow)
  await eventually('it has come to that', 30_000, () => stops.length > 0)
  gone.destroy()
  await eventually('it has come to that', 30_000, () => stopping()?.signal.aborted === true)
  stopping()?.finish()
  assert.equal(statusOf(await talkTo(socketPath, 'GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')), 200)
}

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
  await eventually('it has come to that', 30_000, () => created === sent)
  socket.destroy()
})

test('an idle connection goes when the server closes, one that waits is answered first', async () => {
  const path = join(directory, 'other.sock')
  const other = createApiServer({ handlers, log: silentLog })
  await listenOn({ kind: 'unix', path }, { ...listening, makeServer: () => other })
  const [idle, busy] = [createConnection(path), createConnection(path)]
  idle.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(idle, 'data')
  stops.length = 0
  busy.write('POST /containers/a/stop HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually('it has come to that', 30_000, () => stops.length > 0)
  other.close()
  await once(idle, 'close')
  stopping()?.finish()
  const [answer] = (await once(busy, 'data')) as [Buffer]
  assert.equal(statusOf(answer.toString()), 204)
  other.closeAllConnections()
  await once(busy, 'close')
})
