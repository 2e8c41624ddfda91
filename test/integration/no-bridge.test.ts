// `--bridge none`, as the real dockerd has it: no bridge network is listed or made, and who would be in it has the loopback interface only.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { makeBusyboxTree } from '../harness/images.ts'

const bridges = async () => (await must(['ip', '-o', 'link', 'show', 'type', 'bridge'])).split('\n').filter(Boolean)

async function importBusybox(engine: TestEngine): Promise<void> {
  const tree = `${engine.directory}/tree`
  await must(['mkdir', tree])
  await makeBusyboxTree(tree)
  await must(['sh', '-c', 'tar -C "$0" -c . | docker import - busybox', tree], { env: { DOCKER_HOST: engine.host } })
}

test('nothing is bridged, and nothing asks for it', async () => {
  const before = await bridges()
  await using engine = await startEngine({ args: ['--bridge', 'none'] })
  await importBusybox(engine)
  assert.deepEqual(await bridges(), before)
  assert.equal(await engine.ok('network', 'ls', '--format', '{{.Name}} {{.Driver}}'), 'host host\nnone null')
  const { code, stderr } = await engine.docker(['network', 'inspect', 'bridge'])
  assert.deepEqual([code, stderr.trim()], [1, 'Error response from daemon: network bridge not found'])
  for (const network of ['default', 'bridge', 'none']) {
    const seen = await engine.ok('run', '--rm', '--network', network, '-p', '0:80', 'busybox', 'ls', '/sys/class/net')
    assert.equal(seen, 'lo', network)
  }
  await engine.ok('run', '-d', '--name', 'alone', 'busybox', 'sleep', '1000')
  const format =
    '{{.HostConfig.NetworkMode}} {{range $k, $v := .NetworkSettings.Networks}}{{$k}}[{{$v.NetworkID}}{{$v.IPAddress}}]{{end}}'
  assert.equal(await engine.ok('inspect', '-f', format, 'alone'), 'bridge bridge[]')
  assert.equal(await engine.ok('ps', '--filter', 'network=bridge', '--format', '{{.Names}}'), 'alone')
  const events = ['events', '--since', '0', '--until', String(Math.ceil(Date.now() / 1000)), '--filter', 'type=network']
  assert.doesNotMatch(await engine.ok(...events), /name=bridge/)
})

test('what an engine with a bridge has left goes with the last container that is in it', async () => {
  const before = await bridges()
  const first = await startEngine()
  const { directory } = first
  await importBusybox(first)
  await first.ok('run', '-d', '--name', 'bridged', 'busybox', 'sleep', '1000')
  assert.equal((await bridges()).length, before.length + 1)
  await first.killEngine()
  await using second = await startEngine({ directory, args: ['--bridge', 'none'] })
  assert.equal(await second.ok('exec', 'bridged', 'ls', '/sys/class/net'), 'eth0\nlo')
  await second.ok('rm', '-f', 'bridged')
  await eventually('the bridge is gone', 10_000, async () => (await bridges()).length === before.length)
  assert.equal(await second.ok('run', '--rm', 'busybox', 'ls', '/sys/class/net'), 'lo')
})
