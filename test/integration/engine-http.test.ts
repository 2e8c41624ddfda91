// The front door, byte by byte beside a real dockerd: status, headers and body of answers that no version of Docker has changed.
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'

let engine: TestEngine
let dockerd: RealDockerd | undefined

before(async () => {
  ;[engine, dockerd] = await Promise.all([startEngine(), startDockerd()])
})

after(async () => {
  await dockerd?.[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** Header names that newer daemons add, or whose values are each daemon's own. */
const NEWER_HEADERS = new Set(['swarm', 'builder-version'])
const OWN_VALUES = new Set(['api-version', 'server', 'date', 'content-length'])

function talk(socketPath: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: socketPath, allowHalfOpen: true })
    let text = ''
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no end of the answer to ${bytes}`)))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('end', () => {
      socket.end()
      resolve(text)
    })
    socket.write(bytes)
  })
}

/** With what must differ taken out: versions, dates, and the lengths that follow from them. */
function comparable(answer: string): { status: string; headers: string[]; body: string } {
  const split = answer.indexOf('\r\n\r\n')
  const [status = '', ...lines] = answer.slice(0, split).split('\r\n')
  const headers = lines
    .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const)
    .filter(([name]) => !NEWER_HEADERS.has(name))
    .map(([name, value]) => `${name}: ${OWN_VALUES.has(name) ? '*' : value}`)
    .sort()
  const body = answer.slice(split + 4).replace(/(API version is )[\d.]+/, '$1*')
  return { status, headers, body }
}

const REQUESTS: readonly [line: string, headers?: string, body?: string][] = [
  ['GET /_ping HTTP/1.1'],
  ['HEAD /_ping HTTP/1.1'],
  ['GET /v1.41/_ping HTTP/1.1'],
  ['GET /v1.99/_ping HTTP/1.1'],
  ['GET /v2/info HTTP/1.1'],
  ['GET /v1.5/info HTTP/1.1'],
  ['POST /_ping HTTP/1.1', 'Content-Length: 0\r\n'],
  ['GET /nope HTTP/1.1'],
  ['GET /v1.99/nope HTTP/1.1'],
  ['GET / HTTP/1.1'],
  ['GET //_ping HTTP/1.1'],
  ['GET /v1.41//containers//foo/json HTTP/1.1'],
  ['GET /containers/../_ping HTTP/1.1'],
  ['GET /_ping/ HTTP/1.1'],
  ['GET /containers/json/ HTTP/1.1'],
  ['GET /v1.41/containers/foo/json HTTP/1.1'],
  ['GET /v1.41/containers/%66oo/json HTTP/1.1'],
  ['GET /v1.41/containers/a/b/json HTTP/1.1'],
  ['GET /v1.41/containers/a%2fb/json HTTP/1.1'],
  ['GET /v1.41/containers/%zz/json HTTP/1.1'],
  ['GET /v1.41/images/json HTTP/1.1'],
  ['DELETE /v1.41/images/nope HTTP/1.1'],
  ['GET /v1.41/images/nope/history HTTP/1.1'],
  ['POST /v1.41/images/nope/tag?repo=a HTTP/1.1', 'Content-Length: 0\r\n'],
  ['POST /v1.41/images/create?fromImage=127.0.0.1:1/x&tag=y HTTP/1.1', 'Content-Length: 0\r\n'],
  ['POST /v1.41/images/create?fromImage=127.0.0.1:1/x&tag=@ HTTP/1.1', 'Content-Length: 0\r\n'],
  ['GET /v1.41/events?since=9&until=3 HTTP/1.1'],
  ['GET /v1.41/events?until=1 HTTP/1.1'],
  ['GET /v1.41/networks/nope HTTP/1.1'],
  ['POST /v1.41/containers/nope/attach HTTP/1.1'],
  ['POST /v1.41/containers/nope/attach HTTP/1.1', 'Connection: Upgrade\r\nUpgrade: tcp\r\n'],
  ['POST /v1.41/exec/nope/start HTTP/1.1', 'Content-Type: application/json\r\nContent-Length: 2\r\n', '{}'],
  ['GARBAGE'],
]

test('answers are those of a real dockerd', async (t) => {
  if (!dockerd) return t.skip('no dockerd here')
  for (const [line, headers = '', body = ''] of REQUESTS) {
    const connection = headers.includes('Connection') ? '' : 'Connection: close\r\n'
    const bytes = line === 'GARBAGE' ? 'GARBAGE\r\n\r\n' : `${line}\r\nHost: x\r\n${connection}${headers}\r\n${body}`
    const ours: string = await talk(engine.socketPath, bytes)
    const theirs: string = await talk(dockerd.socketPath, bytes)
    assert.deepEqual(comparable(ours), comparable(theirs), line)
  }
})

test('many requests on one connection are answered one after the other', async () => {
  const count = 200
  const requests = 'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count - 1)
  const answer = await talk(engine.socketPath, `${requests}GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  assert.equal(answer.split('200 OK').length - 1, count)
})
