import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Clock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { openPluginDrivers } from '../volume/plugin-driver.ts'
import { openPluginRegistry } from './plugin-registry.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-plugins-'))
const directories = { sockets: join(directory, 'run'), specs: [join(directory, 'etc'), join(directory, 'usr')] }
for (const path of [directories.sockets, ...directories.specs]) mkdirSync(path)
const servers: Server[] = []
after(() => {
  for (const server of servers) server.close().closeAllConnections()
  rmSync(directory, { recursive: true })
})

interface Seen {
  url: string
  body: string
  contentType: string
}

/** A plugin: `answers` by method; what it was asked is in the result. */
async function plugin(where: string | number, answers: Record<string, [status: number, body: string]>) {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    seen.push({ url: request.url ?? '', body, contentType: request.headers['content-type'] ?? '' })
    const [status, text] = answers[(request.url ?? '').slice(1)] ?? [404, 'no such method']
    response.writeHead(status).end(text)
  })
  servers.push(server.listen(where as string))
  await once(server, 'listening')
  return { server, seen, port: (server.address() as AddressInfo).port }
}

/** Time passes only by sleeping. */
function jumpingClock(onSleep: (sleptMs: number) => void = () => {}): Clock {
  let nowMs = 0
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    async sleep(delayMs) {
      nowMs += delayMs
      onSleep(delayMs)
    },
  }
}
const open = (clock = jumpingClock()) => openPluginRegistry({ directories, clock, log: silentLog })
const VOLUMES: [number, string] = [200, '{"Implements":["VolumeDriver"]}']

test('a plugin on a socket is activated once and called with JSON', async () => {
  const { seen } = await plugin(join(directories.sockets, 'one.sock'), {
    'Plugin.Activate': VOLUMES,
    'VolumeDriver.Path': [200, '{"Mountpoint":"/m"}'],
    'VolumeDriver.Remove': [200, ''],
  })
  const registry = open()
  const client = await registry.findPlugin('one', 'VolumeDriver')
  assert.deepEqual(await client.call('VolumeDriver.Path', { Name: 'v' }), { Mountpoint: '/m' })
  assert.equal(await (await registry.findPlugin('one', 'VolumeDriver')).call('VolumeDriver.Remove', {}), undefined)
  assert.deepEqual(
    seen.map(({ url, body }) => `${url} ${body}`),
    ['/Plugin.Activate ', '/VolumeDriver.Path {"Name":"v"}', '/VolumeDriver.Remove {}'],
  )
  assert.equal(seen[1]?.contentType, 'application/vnd.docker.plugins.v1.2+json')
})

test('files of both kinds say where a plugin listens; a socket goes before them', async () => {
  const first = await plugin(0, { 'Plugin.Activate': VOLUMES })
  const second = await plugin(join(directory, 'elsewhere.sock'), {
    'Plugin.Activate': [200, '{"Implements":["authz"]}'],
  })
  writeFileSync(join(directories.specs[0] as string, 'spec.spec'), `tcp://127.0.0.1:${first.port}\n`)
  mkdirSync(join(directories.specs[1] as string, 'json'))
  const json = JSON.stringify({ Name: 'other', Addr: `unix://${join(directory, 'elsewhere.sock')}` })
  writeFileSync(join(directories.specs[1] as string, 'json', 'json.json'), json)
  writeFileSync(join(directories.specs[0] as string, 'one.spec'), 'tcp://127.0.0.1:1')
  const registry = open()
  await registry.findPlugin('spec', 'VolumeDriver')
  await registry.findPlugin('json', 'authz')
  await registry.findPlugin('one', 'VolumeDriver')
  assert.equal(first.seen.length + second.seen.length, 2)
  const volumes = await registry.listPlugins('VolumeDriver')
  assert.deepEqual(volumes.map(({ name }) => name).sort(), ['one', 'spec'])
})

test('failures are told in Docker’s words', async () => {
  await plugin(join(directories.sockets, 'bad.sock'), {
    'Plugin.Activate': VOLUMES,
    'VolumeDriver.Get': [500, '{"Err":"disk on fire"}'],
    'VolumeDriver.List': [404, 'nothing here'],
    'VolumeDriver.Mount': [200, '<html>'],
  })
  writeFileSync(join(directories.specs[0] as string, 'nowhere.spec'), 'just words')
  const registry = open()
  const bad = await registry.findPlugin('bad', 'VolumeDriver')
  await assert.rejects(bad.call('VolumeDriver.Get', {}), {
    code: 'internal',
    message: 'VolumeDriver.Get: disk on fire',
  })
  await assert.rejects(bad.call('VolumeDriver.List', {}), { message: 'VolumeDriver.List: nothing here' })
  await assert.rejects(bad.call('VolumeDriver.Mount', {}), { message: /not JSON/ })
  await assert.rejects(registry.findPlugin('bad', 'authz'), {
    message:
      'legacy plugin: Plugin does not implement the requested driver: plugin="bad", requested implementation="authz"',
  })
  await assert.rejects(registry.findPlugin('nowhere', 'authz'), { message: /Unknown protocol/ })
})

test('a name that is a path finds nothing', async () => {
  for (const name of ['../one', 'a/b', '..', 'x\0'])
    await assert.rejects(open().findPlugin(name, 'VolumeDriver'), {
      code: 'not-found',
      message: `plugin ${JSON.stringify(name)} not found`,
    })
})

test('a plugin that is late is waited for, with growing pauses and not for ever', async () => {
  const pauses: number[] = []
  await assert.rejects(open(jumpingClock((ms) => pauses.push(ms))).findPlugin('never', 'VolumeDriver'), {
    code: 'not-found',
  })
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000])

  let started: Promise<unknown> | undefined
  const late = open({
    ...jumpingClock(),
    async sleep() {
      started ??= plugin(join(directories.sockets, 'late.sock'), { 'Plugin.Activate': VOLUMES })
      await started
    },
  })
  assert.equal((await late.findPlugin('late', 'VolumeDriver')).name, 'late')
})

test('a plugin whose activation failed is tried again by the next request', async () => {
  const path = join(directories.sockets, 'again.sock')
  const broken = await plugin(path, { 'Plugin.Activate': [500, 'starting'] })
  const registry = open()
  await assert.rejects(registry.findPlugin('again', 'VolumeDriver'), { message: 'Plugin.Activate: starting' })
  broken.server.close()
  await once(broken.server, 'close')
  await plugin(path, { 'Plugin.Activate': VOLUMES })
  assert.equal((await registry.findPlugin('again', 'VolumeDriver')).name, 'again')
})

test('a plugin that takes connections and says nothing, or stops in the middle of an answer, keeps nobody waiting', async () => {
  const socket = join(directories.sockets, 'mute.sock')
  const server = createServer((request, response) => {
    if (request.url === '/Plugin.Activate') return void (activates && response.end(VOLUMES[1]))
    response.writeHead(200, { 'Content-Length': '100' }).write('{"Volume":')
    if (request.url === '/VolumeDriver.Get') response.socket?.destroySoon()
  })
  let activates = false
  servers.push(server.listen(socket))
  await once(server, 'listening')
  const registry = openPluginRegistry({ directories, clock: jumpingClock(), log: silentLog, patienceMs: 100 })
  assert.ok(!(await registry.listPlugins('VolumeDriver')).some(({ name }) => name === 'mute'))
  activates = true
  const { require } = openPluginDrivers(registry)
  const driver = await require('mute')
  await assert.rejects(driver.get('data'), /^Failure: VolumeDriver\.Get: /, 'it may well have the volume')
  const client = await registry.findPlugin('mute', 'VolumeDriver')
  await assert.rejects(
    client.call('VolumeDriver.Mount', {}, AbortSignal.timeout(100)),
    /^Failure: VolumeDriver\.Mount: /,
  )
  rmSync(socket, { force: true })
})
