// Clients that go away in the middle, containers that go away under their clients, and many clients at once.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'
import { fakeImage, layerOf, startFakeRegistry } from '../harness/fake-registry.ts'
import { listLeavings, makeInitLayer, nothingBut } from '../harness/leavings.ts'
import { imageFile } from '../../src/image/make-image.ts'

let engine: BusyboxEngine
let image: string
let rest: string[]

before(async () => {
  engine = await startBusyboxEngine({ cgroups: 'own' })
  ;({ image } = engine)
  await engine.ok('run', '--rm', image, 'true')
  await makeInitLayer(engine, image)
  rest = await listLeavings(engine)
})

after(async () => {
  for (const child of started) child.kill('SIGKILL')
  await engine[Symbol.asyncDispose]()
})

interface Running {
  child: ChildProcess
  output(): string
  /** Its exit code; -1 by a signal. */
  ended: Promise<number>
}

const started: ChildProcess[] = []

/** The Docker CLI, going on. */
function start(...args: string[]): Running {
  const child = spawn('docker', args, { env: { ...process.env, DOCKER_HOST: engine.host }, stdio: 'pipe' })
  started.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()))
  child.stdin.on('error', () => {})
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)))
  return { child, output: () => output, ended }
}

const openFiles = () => [engine.enginePid(), engine.containerdPid()].map((pid) => readdirSync(`/proc/${pid}/fd`).length)

/** What `work` opened in the daemons is closed afterwards. */
async function closesAgain(work: () => Promise<void>): Promise<void> {
  const before = openFiles()
  await work()
  await eventually('descriptors are closed', 5000, () => openFiles().every((count, i) => count <= (before[i] ?? 0) + 2))
}

test('a client that is killed in the middle of logs, attach, events, stats, wait or exec leaves nothing open', async () => {
  const loop = 'while :; do echo line; usleep 5000; done'
  await engine.ok('run', '-d', '-i', '--name', 'busy', image, 'sh', '-c', loop)
  await closesAgain(async () => {
    const clients = [
      start('logs', '-f', 'busy'),
      start('attach', '--sig-proxy=false', 'busy'),
      start('stats', 'busy'),
      start('exec', '-i', 'busy', 'sh', '-c', loop),
    ]
    const silent = [start('events'), start('wait', 'busy')]
    for (const client of clients) await eventually('it prints', 5000, () => client.output() !== '')
    for (const { child } of [...clients, ...silent]) child.kill('SIGKILL')
    await Promise.all([...clients, ...silent].map(({ ended }) => ended))
    assert.equal(await engine.ok('inspect', '-f', '{{.State.Running}}', 'busy'), 'true')
  })
  await engine.ok('rm', '-f', 'busy')
  await nothingBut(rest, engine)
})

test('half a request, or one that never ends, holds nobody up', async () => {
  await closesAgain(async () => {
    const halves = [
      'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"Image":',
      'GET /info HTTP/1.1\r\nHost:',
      '\x16\x03\x01\x02\0\x01\0\x01\xfc',
    ]
    const sockets = halves.map((text) => {
      const socket = connect(engine.socketPath)
      socket.on('error', () => {})
      socket.write(text)
      return socket
    })
    assert.equal(await engine.ok('run', '--rm', image, 'echo', 'up'), 'up')
    for (const socket of sockets) socket.destroy()
  })
  await nothingBut(rest, engine)
})

test('a pull whose client goes away stops, and leaves no byte', async () => {
  await using slow = await startFakeRegistry()
  const layer = await layerOf(
    imageFile('file', { content: Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) & 255)) }),
  )
  slow.serve('slow', fakeImage([layer]))
  let isGone = false
  slow.interfere = (request, response) => {
    if (request.method !== 'GET' || !request.url?.includes('/blobs/') || layer.bytes.length < 1000) return false
    if (request.url.endsWith(layer.diffId)) return false
    response.writeHead(200, { 'content-length': 10_000_000 })
    response.write(layer.bytes.subarray(0, 500))
    response.on('close', () => (isGone = true))
    return true
  }
  const pull = start('pull', `${slow.host}/slow`)
  await eventually('bytes flow', 5000, () => slow.requests.some(({ line }) => line.includes('/blobs/')))
  pull.child.kill('SIGKILL')
  await pull.ended
  await eventually('the registry is let go', 5000, () => isGone)
  await nothingBut(rest, engine)
})

test('a container that is removed under logs, attach, wait, stats and exec ends them all', async () => {
  await engine.ok('run', '-d', '--name', 'doomed', image, 'sh', '-c', 'while :; do echo line; usleep 20000; done')
  const logs = start('logs', '-f', 'doomed')
  const attach = start('attach', '--sig-proxy=false', 'doomed')
  const wait = start('wait', 'doomed')
  const exec = start('exec', 'doomed', 'sleep', '1000')
  const stats = start('stats', '--no-trunc', 'doomed')
  for (const client of [logs, attach, stats]) await eventually('it prints', 5000, () => client.output() !== '')
  await eventually('the exec runs', 5000, async () => (await engine.ok('top', 'doomed')).includes('sleep 1000'))
  await engine.ok('rm', '-f', 'doomed')
  assert.equal(await logs.ended, 0)
  assert.equal(await attach.ended, 137, attach.output().slice(-500))
  assert.equal(await wait.ended, 0)
  assert.equal(wait.output().trim(), '137')
  assert.equal(await exec.ended, 137, exec.output())
  stats.child.kill('SIGKILL')
  await stats.ended
  await nothingBut(rest, engine)
})

test('removing what runs is refused, and two who remove at once agree', async () => {
  const id = await engine.ok('run', '-d', '--name', 'twice', image, 'sleep', '1000')
  const refused = await engine.docker(['rm', id])
  assert.equal(refused.code, 1)
  assert.match(
    refused.stderr,
    /cannot remove container .*: container is running: stop the container before removing or force remove/,
  )
  const both = await Promise.all([engine.docker(['rm', '-f', id]), engine.docker(['rm', '-f', id])])
  assert.ok(both.some(({ code }) => code === 0))
  for (const { code, stderr } of both)
    if (code !== 0) assert.match(stderr, /removal of container .* is already in progress|No such container/)
  await nothingBut(rest, engine)
})

test('200 who want one name: one gets it, and the others are told who', async () => {
  const body = { Image: image, Cmd: ['true'] }
  const all = await Promise.all(
    Array.from({ length: 200 }, () => call(engine.socketPath, 'POST /containers/create?name=wanted', { body })),
  )
  const made = all.filter(({ status }) => status === 201)
  assert.equal(made.length, 1)
  const { Id } = JSON.parse(made[0]?.body ?? '') as { Id: string }
  const conflict = `Conflict. The container name "/wanted" is already in use by container "${Id}". You have to remove (or rename) that container to be able to reuse that name.`
  for (const { status, text } of all) if (status !== 201) assert.deepEqual([status, text], [409, conflict])
  await engine.ok('rm', 'wanted')
  await nothingBut(rest, engine)
})

test('200 at once run, print and go', async () => {
  const all = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      engine.docker(['run', '--rm', image, 'echo', String(i)], { timeoutMs: 60_000 }),
    ),
  )
  for (const [i, { code, stdout, stderr }] of all.entries()) {
    assert.equal(code, 0, stderr)
    assert.equal(stdout, `${i}\n`)
  }
  await nothingBut(rest, engine, 15_000)
})
