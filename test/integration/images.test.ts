// Images by the real Docker CLI: pulled from a registry on loopback, listed, tagged, inspected, removed; and nothing stays behind.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { pushBusybox, pushImage } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host, 'team/app:1', { Labels: { tier: 'front' }, Env: ['A=b'] })
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const blobs = () => {
  try {
    return readdirSync(`${engine.directory}/data/containerd/content/blobs/sha256`)
  } catch {
    return [] // the directory comes with the first blob
  }
}

test('pull tells of its progress and gives the image its name', async () => {
  const name = `${registry.host}/team/app:1`
  const output = await engine.ok('pull', name)
  assert.match(output, /^1: Pulling from team\/app\n/)
  assert.match(
    output,
    /[0-9a-f]{12}: Pull complete\nDigest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for .*app:1\n/,
  )
  assert.match(await engine.ok('pull', name), /\nStatus: Image is up to date for /)
  const [image] = JSON.parse(await engine.ok('image', 'inspect', name))
  assert.deepEqual(image.RepoTags, [name])
  assert.equal(image.Config.Env[0], 'A=b')
  assert.ok(image.Size > 1_000_000)
  assert.equal(await engine.ok('images', '-q', '--no-trunc', name), image.Id)
  assert.equal(await engine.ok('images', '-q', '--filter', 'label=tier=front', '--no-trunc'), image.Id)
  assert.equal(await engine.ok('images', '-q', '--filter', 'reference=nothing*'), '')
})

test('tags come and go, the image stays until its last name goes', async () => {
  const name = `${registry.host}/team/app:1`
  const id = await engine.ok('images', '-q', '--no-trunc', name)
  await engine.ok('tag', name, 'local/copy')
  assert.equal(await engine.ok('images', '-q', '--no-trunc', 'local/copy'), id)
  const refused = await engine.docker(['rmi', id.slice(7, 19)])
  assert.match(refused.stderr, /must be forced\) - image is referenced in multiple repositories/)
  assert.equal(await engine.ok('rmi', 'local/copy'), 'Untagged: local/copy:latest')
  assert.equal(await engine.ok('rmi', name), `Untagged: ${name}\nDeleted: ${id}`)
  assert.equal(await engine.ok('images', '-aq'), '')
  await eventually('the content is collected', 5000, () => blobs().length === 0)
})

test('what is not there is refused in Docker’s words, and leaves nothing', { skip: skipWithoutDocker28 }, async () => {
  const unknown = await engine.docker(['pull', `${registry.host}/team/app:2`])
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /manifest for .*\/team\/app:2 not found: manifest unknown: manifest unknown/)
  const down = await engine.docker(['pull', '127.0.0.1:1/x'])
  assert.match(down.stderr, /Get "http:\/\/127\.0\.0\.1:1\/v2\/": dial tcp 127\.0\.0\.1:1: connect: connection refused/)
  const missing = await engine.docker(['rmi', 'nope'])
  assert.match(missing.stderr, /No such image: nope:latest/)
  await eventually('nothing is left', 5000, () => blobs().length === 0)
})

test('a client that goes away in the middle of a pull leaves no byte behind', async () => {
  const tar = `${engine.directory}/large.tar`
  await must([
    'sh',
    '-c',
    `cd ${engine.directory} && head -c 200000000 /dev/urandom > large && tar -cf ${tar} large && rm large`,
  ])
  await pushImage(registry.host, 'large:1', { layers: [{ tar, compression: 'none' }], config: {} })
  const env = { DOCKER_HOST: engine.host }
  const pull = await run(['timeout', '0.4', 'docker', 'pull', `${registry.host}/large:1`], { env })
  assert.equal(pull.code, 124, 'it was cut off, not finished')
  const uploads = () => readdirSync(`${engine.directory}/data/containerd/content/ingest`)
  await eventually('nothing is left', 5000, () => uploads().length === 0 && blobs().length === 0)
  assert.equal(await engine.ok('images', '-q'), '')
})

test('events tell what happened, in order', async () => {
  const name = `${registry.host}/team/app:1`
  const since = String(Date.now() / 1000)
  await engine.ok('pull', '-q', name)
  await engine.ok('tag', name, 'x/y')
  await engine.ok('rmi', 'x/y', name)
  const until = String(Date.now() / 1000 + 0.05)
  const events = await engine.ok('events', '--since', since, '--until', until, '--format', '{{.Type}} {{.Action}}')
  assert.deepEqual(events.split('\n'), ['image pull', 'image tag', 'image untag', 'image untag', 'image delete'])
})

test('login is checked by the registry, and its credentials pull', async () => {
  const file = `${engine.directory}/htpasswd`
  // bcrypt of `secret`, as `htpasswd -B` writes it.
  writeFileSync(file, 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n')
  await using locked = await startRegistry(`${engine.directory}/locked`, { htpasswd: file })
  const wrong = await engine.docker(['login', '-u', 'me', '--password-stdin', locked.host], { input: 'wrong' })
  assert.notEqual(wrong.code, 0)
  assert.match(wrong.stderr, /401 Unauthorized/)
  const right = await engine.docker(['login', '-u', 'me', '--password-stdin', locked.host], { input: 'secret' })
  assert.match(right.stdout, /Login Succeeded/)
})
