// --link across a restart of the engine, and what an engine judges again at a start. What Docker's own engine does of it is compared in parity/links.lines.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

const sleeping = (name: string, ...flags: string[]) =>
  engine.ok('run', '-d', '--name', name, ...flags, image, 'sleep', '1000')
const linksOf = (name: string) => engine.ok('inspect', '-f', '{{.HostConfig.Links}}', name)
const addressOf = (name: string) => engine.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', name)

test('a link outlives the engine and the name of the other container, and hears of its new address', async () => {
  await sleeping('db', '--hostname', 'box')
  await sleeping('web', '--link', 'db:store')
  await engine.ok('rename', 'db', 'base')
  await engine.killEngine()
  await engine.start()
  assert.equal(await linksOf('web'), '[/base:/web/store]')
  assert.equal(await engine.ok('inspect', '-f', '{{.Name}}', 'web/store'), '/base')
  const former = await addressOf('base')
  await engine.ok('stop', '-t', '0', 'base')
  await sleeping('in-its-place')
  assert.equal(await addressOf('in-its-place'), former)
  await engine.ok('start', 'base')
  const entry = await engine.ok('exec', 'web', 'grep', 'store', '/etc/hosts')
  assert.equal(entry, `${await addressOf('base')}\tstore box db`)
  assert.match(await engine.ok('exec', 'web', 'ping', '-c', '1', 'store'), / 0% packet loss/)
  await engine.ok('rm', '-f', 'base')
  const { code, stderr } = await engine.docker(['restart', '-t', '0', 'web'])
  assert.deepEqual([code, /Cannot link to a non running container: \/base AS \/web\/store/.test(stderr)], [1, true])
  await engine.killEngine()
  await engine.start()
  assert.equal(await linksOf('web'), '[]')
  await engine.ok('start', 'web')
  await engine.ok('rm', '-f', 'web', 'in-its-place')
})

test('with "icc": false the ports that are exposed are open to who is linked, across restarts of either and of the engine', async () => {
  const apart = await startEngine({ args: ['--icc=false'] })
  try {
    await must(['sh', '-c', 'docker save "$0" | DOCKER_HOST=$1 docker load', image, apart.host], {
      env: { DOCKER_HOST: engine.host },
    })
    const serving = 'for port in 80 81; do nc -ll -p $port -e echo hello $port & done; wait'
    await apart.ok('run', '-d', '--name', 'db', '--expose', '80', image, 'sh', '-c', serving)
    await apart.ok('run', '-d', '--name', 'web', '--link', 'db:store', image, 'sleep', '1000')
    await apart.ok('run', '-d', '--name', 'other', image, 'sleep', '1000')
    const ask = async (from: string, port: number) => {
      const address = await apart.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'db')
      return (await apart.docker(['exec', from, 'nc', '-w', '1', address, String(port)])).stdout.trim()
    }
    const proveIt = async () => {
      await eventually('what is exposed is open', 10_000, async () => (await ask('web', 80)) === 'hello 80')
      assert.deepEqual([await ask('web', 81), await ask('other', 80)], ['', ''])
    }
    await proveIt()
    await apart.ok('stop', '-t', '0', 'db')
    await apart.ok('run', '-d', '--name', 'filler', image, 'sleep', '1000')
    await apart.ok('start', 'db')
    await proveIt()
    await apart.killEngine()
    await apart.start()
    await proveIt()
    await apart.ok('restart', '-t', '0', 'web')
    await proveIt()
    await apart.ok('rm', '--link', 'web/store')
    assert.equal(await ask('web', 80), '')
  } finally {
    await apart[Symbol.asyncDispose]()
  }
})

test('a link that was taken away is gone for good', async () => {
  await sleeping('db')
  await sleeping('web', '--link', 'db:store', '--link', 'db:other')
  await engine.ok('rm', '--link', 'web/store')
  await engine.killEngine()
  await engine.start()
  assert.equal(await linksOf('web'), '[/db:/web/other]')
  await engine.ok('restart', '-t', '0', 'web')
  assert.equal(await engine.ok('exec', 'web', 'sh', '-c', 'echo $STORE_NAME$OTHER_NAME'), '/web/other')
  await engine.ok('rm', '-f', 'db', 'web')
})
