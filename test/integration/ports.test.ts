// Published ports, seen from the host and from another network namespace; containers among themselves.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must, run } from '../harness/command.ts'
import { freePort, startRegistry } from '../harness/registry.ts'

let engine: BusyboxEngine
let image: string
const NETNS = `berth-test-${process.pid}`
const SERVE = ['sh', '-c', 'echo "hello from $HOSTNAME" > /var/www/index.html; exec httpd -f -p 80 -h /var/www']

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
  await must(['ip', 'netns', 'add', NETNS])
  await must(['ip', 'link', 'add', 'bt0', 'type', 'veth', 'peer', 'name', 'bt1', 'netns', NETNS])
  await must([
    'sh',
    '-ec',
    `ip addr add 10.77.0.1/24 dev bt0; ip link set bt0 up; ip -n ${NETNS} addr add 10.77.0.2/24 dev bt1; ip -n ${NETNS} link set bt1 up`,
  ])
})

after(async () => {
  await run(['ip', 'netns', 'del', NETNS])
  await run(['ip', 'link', 'del', 'bt0'])
  await engine[Symbol.asyncDispose]()
})

const fetchText = (url: string, ...inside: string[]) =>
  eventually(`${url} answers`, 5000, async () => {
    const result = await run([...inside, 'curl', '-s', '--max-time', '2', url])
    return result.code === 0 ? result.stdout : undefined
  })

test('-p 127.0.0.1:0:80 is reached from the host by the port that was chosen', async () => {
  const id = await engine.ok('run', '-d', '-h', 'one', '-p', '127.0.0.1:0:80', image, ...SERVE)
  const address = await engine.ok('port', id, '80')
  assert.match(address, /^127\.0\.0\.1:\d+$/)
  assert.equal(await fetchText(`http://${address}/`), 'hello from one\n')
  const elsewhere = await run(['curl', '-s', '--max-time', '1', `http://10.77.0.1:${address.split(':')[1]}/`])
  assert.notEqual(elsewhere.code, 0)
  await engine.ok('rm', '-f', id)
})

test('-p PORT:80 is reached from the host and from another network namespace', async () => {
  const port = await freePort()
  const id = await engine.ok('run', '-d', '-h', 'two', '-p', `${port}:80`, image, ...SERVE)
  assert.equal(await fetchText(`http://127.0.0.1:${port}/`), 'hello from two\n')
  assert.equal(await fetchText(`http://10.77.0.1:${port}/`), 'hello from two\n')
  assert.equal(await fetchText(`http://10.77.0.1:${port}/`, 'ip', 'netns', 'exec', NETNS), 'hello from two\n')
  const taken = await engine.docker(['run', '-d', '--name', 'late', '-p', `${port}:80`, image, ...SERVE])
  assert.equal(taken.code, 125)
  assert.match(taken.stderr, /port is already allocated/)
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Status}}', 'late'), 'created')
  await engine.ok('rm', '-f', id, 'late')
  assert.notEqual((await run(['curl', '-s', '--max-time', '1', `http://127.0.0.1:${port}/`])).code, 0)
})

test('two containers reach each other, and a published port through the host', async () => {
  const port = await freePort()
  const id = await engine.ok('run', '-d', '-h', 'three', '-p', `${port}:80`, image, ...SERVE)
  const address = await engine.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', id)
  await fetchText(`http://${address}/`)
  const gateway = await engine.ok('inspect', '-f', '{{.NetworkSettings.Gateway}}', id)
  assert.equal(await engine.ok('run', '--rm', image, 'wget', '-qO-', `http://${address}/`), 'hello from three')
  assert.equal(await engine.ok('run', '--rm', image, 'wget', '-qO-', `http://${gateway}:${port}/`), 'hello from three')
  await engine.ok('rm', '-f', id)
})

test('a port that another program holds is refused, and nothing is left', async () => {
  const holder = await startRegistry(`${engine.directory}/holder`)
  try {
    const port = holder.host.split(':')[1] ?? ''
    const refused = await engine.docker(['run', '--rm', '-p', `127.0.0.1:${port}:80`, image, 'true'])
    assert.equal(refused.code, 125)
    assert.match(refused.stderr, /address already in use|port is already allocated/)
  } finally {
    await holder[Symbol.asyncDispose]()
  }
})
