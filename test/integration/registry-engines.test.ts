// Whole stacks push to berth-registry and pull from it: a real dockerd by the Docker CLI, podman, buildah, containerd by ctr; our engine pulls.
// What each brings back has the digest that it took.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { startEngine } from '../harness/berth.ts'
import { must, run } from '../harness/command.ts'
import { startDockerd } from '../harness/dockerd.ts'
import { pushBusybox } from '../harness/images.ts'
import { type RegistryProcess, startRegistryProcess } from '../harness/our-registry.ts'
import { startRealContainerd } from '../harness/real-containerd.ts'

const LIMIT_MS = 180_000

let registry: RegistryProcess
let directory: string
/** Of what every client pulls. */
let digest: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-engines-'))
  registry = await startRegistryProcess()
  await pushBusybox(registry.host, 'library/busybox:1')
  digest = digestOf(await raw('library/busybox:1'))
})

after(async () => {
  await registry?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const raw = (name: string) =>
  must(['skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/${name}`])
const skipWithout = async (name: string) =>
  (await run(['sh', '-c', `command -v ${name}`])).code === 0 ? false : `${name} is not installed`

test('the Docker CLI and a real dockerd', { skip: await skipWithout('dockerd') }, async () => {
  await using dockerd = await startDockerd()
  assert.ok(dockerd)
  const docker = (...args: string[]) =>
    must(['docker', '-H', `unix://${dockerd.socketPath}`, ...args], { timeoutMs: LIMIT_MS })
  const source = `${registry.host}/library/busybox:1`
  assert.match(await docker('pull', source), new RegExp(`Digest: ${digest}`))
  await docker('tag', source, `${registry.host}/by/docker:1`)
  const pushed = /digest: (sha256:\w+) size: (\d+)/.exec(await docker('push', `${registry.host}/by/docker:1`))
  const manifest = await raw('by/docker:1')
  assert.deepEqual([pushed?.[1], Number(pushed?.[2])], [digestOf(manifest), manifest.length])
  await docker('push', `${registry.host}/by/docker:1`)
  await docker('image', 'rm', source, `${registry.host}/by/docker:1`)
  assert.match(await docker('pull', `${registry.host}/by/docker:1`), new RegExp(`Digest: ${pushed?.[1]}`))
  assert.match(await docker('manifest', 'inspect', '--insecure', `${registry.host}/by/docker:1`), /schemaVersion/)
})

for (const program of ['podman', 'buildah'])
  test(program, { skip: await skipWithout(program) }, async () => {
    const places = ['--root', join(directory, program), '--runroot', join(directory, `${program}-run`)]
    const call = (...args: string[]) =>
      must([program, ...places, '--storage-driver', 'vfs', ...args], { timeoutMs: LIMIT_MS })
    const source = `${registry.host}/library/busybox:1`
    await call('pull', '-q', '--tls-verify=false', source)
    await call('push', '-q', '--tls-verify=false', source, `docker://${registry.host}/by/${program}:1`)
    await call('rmi', source)
    await call('pull', '-q', '--tls-verify=false', `${registry.host}/by/${program}:1`)
    assert.match(await raw(`by/${program}:1`), /"layers"/)
    const copied = JSON.parse(await raw(`by/${program}:1`)) as { config: { digest: string } }
    const original = JSON.parse(await raw('library/busybox:1')) as { config: { digest: string } }
    assert.equal(copied.config.digest, original.config.digest)
  })

test('containerd by ctr', { skip: await skipWithout('ctr') }, async () => {
  await using containerd = await startRealContainerd()
  const ctr = (...args: string[]) => must(['ctr', '-a', containerd.address, 'images', ...args], { timeoutMs: LIMIT_MS })
  const source = `${registry.host}/library/busybox:1`
  await ctr('pull', '--plain-http', '--snapshotter', 'native', source)
  assert.match(await ctr('ls'), new RegExp(digest))
  await ctr('push', '--plain-http', `${registry.host}/by/ctr:1`, source)
  assert.equal(digestOf(await raw('by/ctr:1')), digest)
})

test('our own engine', async () => {
  await using engine = await startEngine()
  const source = `${registry.host}/library/busybox:1`
  assert.match(await engine.ok('pull', source), new RegExp(`Digest: ${digest}`))
  assert.equal(await engine.ok('run', '--rm', '--net', 'none', source, 'echo', 'here'), 'here')
})
