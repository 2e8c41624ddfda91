// Attach over a websocket: by the `ws` library, by Bun's own client, and by hostile peers that speak bytes.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import { call } from '../harness/api.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, run } from '../harness/command.ts'
import { ROOT } from '../harness/root.ts'

const TCP = '127.0.0.1:23751'
const BUN = join(ROOT, `node_modules/@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`)
const ECHO = 'echo old; while read l; do echo got $l; echo err $l >&2; done'
let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine({ args: ['-H', `tcp://${TCP}`, '--tls=false'] })
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

interface Client {
  socket: WebSocket
  text(): string
  /** Of the messages, whether each was binary. */
  kinds: boolean[]
  closed: Promise<number>
}

async function attach(id: string, query: string, version = 'v1.45'): Promise<Client> {
  const socket = new WebSocket(`ws+unix://${engine.socketPath}:/${version}/containers/${id}/attach/ws?${query}`)
  let text = ''
  const kinds: boolean[] = []
  socket.on('message', (data: Buffer, isBinary) => {
    kinds.push(isBinary)
    text += data.toString()
  })
  const closed = once(socket, 'close').then(([code]) => code as number)
  await once(socket, 'open')
  return { socket, text: () => text, kinds, closed }
}

const runEcho = (...flags: string[]) => engine.ok('run', '-d', '-i', ...flags, image, 'sh', '-c', ECHO)
const ALL = 'stream=1&stdin=1&stdout=1&stderr=1'

test('input goes in, both outputs come out in binary messages without frames, the log first', async () => {
  const id = await runEcho()
  await eventually('it has spoken', 30_000, async () => (await engine.ok('logs', id)) === 'old')
  const client = await attach(id, `logs=1&${ALL}`)
  await eventually('the log is replayed', 30_000, () => client.text() === 'old\n')
  client.socket.send('a\n') // a text message is as good
  client.socket.send(Buffer.from('b\n'))
  await eventually('it answers', 30_000, () =>
    ['got a', 'err a', 'got b', 'err b'].every((line) => client.text().includes(`${line}\n`)),
  )
  assert.ok(client.kinds.every((isBinary) => isBinary))
  await engine.ok('rm', '-f', id)
  assert.equal(await client.closed, 1005)
})

test('streams are chosen from API 1.42 on; before 1.28 messages are text', async () => {
  const id = await runEcho()
  const errors = await attach(id, 'stream=1&stderr=1')
  const old = await attach(id, 'stream=1', 'v1.27')
  old.socket.send('x\n')
  await eventually(
    'the old client has both',
    30_000,
    () => old.text().includes('got x\n') && old.text().includes('err x\n'),
  )
  await eventually('the other has errors', 30_000, () => errors.text() === 'err x\n')
  assert.ok(old.kinds.every((isBinary) => !isBinary))
  assert.ok(errors.kinds.every((isBinary) => isBinary))
  await engine.ok('rm', '-f', id)
  await Promise.all([old.closed, errors.closed])
})

test('a terminal: raw output, detach keys, and a client before the start', async () => {
  const id = await engine.ok('create', '-it', image, 'sh', '-c', 'stty -echo; while read l; do echo got $l; done')
  const client = await attach(id, ALL)
  await engine.ok('start', id)
  await eventually('it echoes no more', 30_000, async () =>
    (await engine.ok('exec', id, 'stty', '-F', '/dev/pts/0', '-a')).includes('-echo '),
  )
  client.socket.send('a\n')
  await eventually('it answers', 30_000, () => client.text().includes('got a\r\n'))
  client.socket.send('\x10')
  client.socket.send('\x11')
  await client.closed
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Running}}', id), 'true')
  const events = await engine.ok(
    'events',
    '--since',
    '1h',
    '--until',
    (Date.now() / 1000 + 0.01).toFixed(3),
    '--filter',
    `container=${id}`,
    '--format',
    '{{.Action}}',
  )
  assert.ok(events.split('\n').includes('detach'), events)
  await engine.ok('rm', '-f', id)
})

test('Bun’s client over TCP', async () => {
  const id = await runEcho()
  const script = `
    const socket = new WebSocket('ws://${TCP}/v1.45/containers/${id}/attach/ws?${ALL}')
    socket.binaryType = 'arraybuffer'
    let text = ''
    socket.onopen = () => socket.send('a\\n')
    socket.onmessage = ({ data }) => {
      text += new TextDecoder().decode(data)
      if (text.includes('got a') && text.includes('err a')) socket.close()
    }
    socket.onclose = () => console.log('closed')
    socket.onerror = ({ message }) => console.log(message)`
  const { stdout, stderr } = await run([BUN, '-e', script], { timeoutMs: 60_000 })
  assert.deepEqual([stdout, stderr], ['closed\n', ''])
  await engine.ok('rm', '-f', id)
})

/** A handshake by hand; what follows is up to who calls. */
async function handshake(id: string): Promise<{ socket: Socket; bytes(): Buffer; ended: Promise<void> }> {
  const socket = createConnection({ path: engine.socketPath, allowHalfOpen: true })
  let bytes = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
  })
  socket.on('error', () => {})
  const ended = new Promise<void>((resolve) =>
    socket.once('close', () => resolve()).once('end', () => socket.destroy()),
  )
  const key = randomBytes(16).toString('base64')
  socket.write(
    `GET /v1.45/containers/${id}/attach/ws?${ALL} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  )
  await eventually('the handshake is answered', 30_000, () => bytes.includes('\r\n\r\n'))
  assert.match(bytes.toString('latin1'), /^HTTP\/1\.1 101 /)
  return { socket, bytes: () => bytes, ended }
}

test('frames that break the protocol end their connection, and the container hears nothing of it', async () => {
  const id = await engine.ok('run', '-d', '-i', image, 'cat')
  const mask = [1, 2, 3, 4]
  const hostile: [title: string, bytes: number[]][] = [
    ['not masked', [0x82, 0x01, 0x61]],
    ['reserved bits', [0xf2, 0x81, ...mask, 0x61]],
    ['an unknown opcode', [0x83, 0x81, ...mask, 0x61]],
    ['a control frame that is too long', [0x89, 0xfe, 0xff, 0xff, ...mask]],
    ['a control frame in fragments', [0x09, 0x81, ...mask, 0x61]],
    ['a continuation of nothing', [0x80, 0x81, ...mask, 0x61]],
    ['more than a message may hold', [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, ...mask]],
    ['a length with its highest bit', [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, ...mask]],
    ['a close code that does not exist', [0x88, 0x82, 0, 0, 0, 0, 0, 1]],
  ]
  for (const [title, bytes] of hostile) {
    const peer = await handshake(id)
    peer.socket.write(Buffer.from(bytes))
    await eventually(title, 30_000, () => peer.socket.destroyed)
  }
  for (const cut of [1, 3, 6]) {
    const peer = await handshake(id)
    peer.socket.write(Buffer.from([0x82, 0x85, ...mask, 0x61]).subarray(0, cut))
    peer.socket.destroy()
    await peer.ended
  }
  assert.equal((await call(engine.socketPath, 'GET /_ping')).status, 200)
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Running}}', id), 'true')
  assert.equal(await engine.ok('logs', id), '')
  await engine.ok('rm', '-f', id)
})

test('handshakes that are none are refused, and one that is cut leaves nothing', async () => {
  const id = await engine.ok('run', '-d', '-i', image, 'cat')
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' }
  const path = `GET /v1.45/containers/${id}/attach/ws?stream=1`
  for (const headers of [
    upgrade,
    { ...upgrade, 'sec-websocket-version': '13' },
    { ...upgrade, 'sec-websocket-version': '7', 'sec-websocket-key': 'x' },
  ])
    assert.equal((await call(engine.socketPath, path, { headers })).status, 400)
  const socket = createConnection(engine.socketPath)
  socket.on('error', () => {})
  socket.write(`${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: webso`)
  socket.destroy()
  assert.equal((await call(engine.socketPath, 'GET /_ping')).status, 200)
  await engine.ok('rm', '-f', id)
})

test('a client that stops reading does not hold the container up', async () => {
  const id = await engine.ok(
    'create',
    image,
    'sh',
    '-c',
    'head -c 20000000 /dev/zero | tr "\\0" x; echo; echo done >&2',
  )
  const peer = await handshake(id)
  peer.socket.pause()
  await engine.ok('start', id)
  assert.equal(await engine.ok('wait', id), '0')
  peer.socket.destroy()
  await engine.ok('rm', '-f', id)
})
