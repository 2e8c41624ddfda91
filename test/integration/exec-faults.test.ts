// Clients of exec, attach and events that do not behave: they do not read, they cut the connection in the middle of the upgrade, they send nonsense.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

const MANY = 'head -c 20000000 /dev/zero | tr "\\0" x; echo done'
let engine: TestEngine
let registry: TestRegistry
let container: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  container = await engine.ok('run', '-d', `${registry.host}/busybox`, 'sleep', '10000')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

async function createExec(config: object): Promise<string> {
  const answer = await call(engine.socketPath, `POST /v1.45/containers/${container}/exec`, { body: config })
  return (JSON.parse(answer.body) as { Id: string }).Id
}

/** Writes, and reads nothing until it is told. */
function silent(bytes: string): Socket {
  const socket = createConnection({ path: engine.socketPath, allowHalfOpen: true })
  socket.on('error', () => {})
  socket.pause()
  socket.write(bytes)
  return socket
}

const request = (line: string, body = '') =>
  `${line} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`

const exitCode = async (id: string) =>
  (JSON.parse((await call(engine.socketPath, `GET /v1.45/exec/${id}/json`)).body) as { ExitCode: number | null })
    .ExitCode

const openFiles = () => readdirSync(`/proc/${engine.enginePid()}/fd`).length

test('a client that does not read holds neither the exec up nor anybody else, and gets everything when it reads', async () => {
  const id = await createExec({ Cmd: ['sh', '-c', MANY], AttachStdout: true })
  const socket = silent(request(`POST /v1.45/exec/${id}/start`, '{}'))
  await eventually('the program has ended', 60_000, async () => (await exitCode(id)) === 0)
  let received = 0
  let tail = ''
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    tail = (tail + chunk.toString('latin1')).slice(-20)
  })
  socket.resume()
  await eventually('everything has come', 60_000, () => received > 20_000_000 && tail.includes('done\n'))
  socket.destroy()
})

test('a client that never reads and goes leaves nothing open', async () => {
  await call(engine.socketPath, 'GET /_ping')
  const before = openFiles()
  for (let i = 0; i < 5; i++) {
    const id = await createExec({ Cmd: ['sh', '-c', MANY], AttachStdout: true })
    const socket = silent(request(`POST /v1.45/exec/${id}/start`, '{}'))
    await eventually('the program has ended', 60_000, async () => (await exitCode(id)) === 0)
    socket.destroy()
  }
  await eventually('its descriptors are closed', 60_000, () => openFiles() <= before)
})

test('connections that are cut at any byte of an upgrade start nothing twice and leave nothing open', async () => {
  await call(engine.socketPath, 'GET /_ping')
  const before = openFiles()
  const id = await createExec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true })
  const lines = [
    request(`POST /v1.45/exec/${id}/start`, '{"Detach":false}'),
    request(`POST /v1.45/containers/${container}/attach?stream=1&stdout=1&stdin=1`),
    request(`POST /v1.45/exec/${id}/attach?stdin=1`),
  ]
  for (const line of lines)
    for (let size = 1; size < line.length; size += 7) {
      const socket = silent(line.slice(0, size))
      await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
      socket.destroy()
    }
  await eventually('their descriptors are closed', 60_000, () => openFiles() <= before)
  assert.equal(await exitCode(id), null) // nobody has started it
  const whole = silent(lines[0] ?? '')
  whole.destroy()
  await eventually('its input has ended with its client', 60_000, async () => {
    const code = await exitCode(id)
    // The engine may see the connection's end before it has taken it over: then nothing was started.
    return code === 0 || code === null
  })
})

test('many clients at one container come and go, and each gets what there is while it is there', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    '-i',
    `${registry.host}/busybox`,
    'sh',
    '-c',
    'while read l; do echo got $l; done',
  )
  const sockets = Array.from({ length: 30 }, () =>
    silent(request(`POST /v1.45/containers/${id}/attach?stream=1&stdout=1&stdin=1`)),
  )
  const texts = sockets.map(() => '')
  for (const [index, socket] of sockets.entries())
    if (index % 3 !== 0)
      socket
        .setEncoding('latin1')
        .resume()
        .on('data', (chunk: string) => {
          texts[index] += chunk
        })
  await eventually('all are attached', 60_000, () =>
    texts.every((text, index) => index % 3 === 0 || text.includes('\r\n\r\n')),
  )
  for (const [index, socket] of sockets.entries()) if (index % 3 === 1) socket.destroy()
  sockets[2]?.write('all\n')
  await eventually('those that read have it', 60_000, () =>
    texts.every((text, index) => index % 3 !== 2 || text.includes('got all\n')),
  )
  for (const socket of sockets) socket.destroy()
  await engine.ok('rm', '-f', id)
})
