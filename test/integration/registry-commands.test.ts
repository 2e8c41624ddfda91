// berth-registry as its administrator knows it: its end while clients are at work, its unix socket, and its other commands beside a server.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { eventually, must, run } from '../harness/command.ts'
import { manifestOf, pushBlob, pushImage, startRegistryProcess } from '../harness/our-registry.ts'
import { BIN } from '../harness/root.ts'

const PROGRAM = join(BIN, 'berth-registry')
const CONFIG = Buffer.from('{"architecture":"amd64"}')

test('SIGTERM lets an upload and a download come to their end, and nobody new in', async () => {
  await using registry = await startRegistryProcess()
  // More than the buffers of a connection hold, so that the download is under way for as long as nobody reads.
  const large = randomBytes(48 << 20)
  const digest = await pushBlob(registry.url, 'a', large)
  const [download] = (await once(request(`${registry.url}/v2/a/blobs/${digest}`).end(), 'response')) as [
    IncomingMessage,
  ]
  download.pause()
  const pushed = randomBytes(200_000)
  const address = `${registry.url}/v2/a/blobs/uploads/?digest=${digestOf(pushed)}`
  const upload = request(address, { method: 'POST', headers: { 'content-length': pushed.length } })
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>
  upload.write(pushed.subarray(0, 100_000))
  const uploads = join(registry.root, 'data/docker/registry/v2/repositories/a/_uploads')
  await eventually('the upload has begun', 60_000, () => readdirSync(uploads).length > 0)

  const ended = registry.end('SIGTERM')
  await eventually('nobody is let in', 60_000, () =>
    fetch(`${registry.url}/v2/`, { headers: { connection: 'close' } }).then(
      () => false,
      () => true,
    ),
  )
  upload.end(pushed.subarray(100_000))
  const [answer] = await answered
  answer.resume()
  assert.equal(answer.statusCode, 201)
  const hash = createHash('sha256')
  for await (const part of download) hash.update(part as Buffer)
  assert.equal(`sha256:${hash.digest('hex')}`, digest)
  assert.equal(await ended, 0)

  await registry.restart()
  assert.equal((await fetch(`${registry.url}/v2/a/blobs/${digestOf(pushed)}`, { method: 'HEAD' })).status, 200)
})

test('whoever does not end within http.draintimeout is cut off', async () => {
  await using registry = await startRegistryProcess({ http: { addr: '127.0.0.1:0', draintimeout: '1s' } })
  const digest = await pushBlob(registry.url, 'a', randomBytes(48 << 20))
  const [download] = (await once(request(`${registry.url}/v2/a/blobs/${digest}`).end(), 'response')) as [
    IncomingMessage,
  ]
  download.pause()
  assert.equal(await registry.end('SIGTERM'), 0)
  await assert.rejects(async () => {
    for await (const part of download) void part
  }, /aborted|ECONNRESET/)
})

test('http.net unix is served to curl', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-registry-unix-'))
  try {
    const socket = join(directory, 'registry.sock')
    await using registry = await startRegistryProcess({ http: { net: 'unix', addr: socket } })
    assert.equal(registry.host, socket)
    assert.equal(await must(['curl', '-sf', '--unix-socket', socket, 'http://registry/v2/']), '{}')
    // A socket that was left is replaced.
    await registry.restart()
    assert.equal(await must(['curl', '-sf', '--unix-socket', socket, 'http://registry/v2/']), '{}')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('garbage-collect beside a server removes what nothing names, and says so', async () => {
  await using registry = await startRegistryProcess()
  const layer = randomBytes(1000)
  await pushImage(registry.url, 'a', 'latest', manifestOf([CONFIG, layer]))
  const stray = await pushBlob(registry.url, 'a', Buffer.from('nobody needs it'))
  const collect = (...options: string[]) => must([PROGRAM, 'garbage-collect', ...options, registry.config])
  assert.match(
    await collect('--dry-run'),
    /^1 manifests marked, \d blobs newly condemned, 0 blobs of 0 bytes to be removed$/,
  )
  assert.match(await collect(), /^1 manifests marked, 1 blobs newly condemned, 0 blobs of 0 bytes removed$/)
  // Within the grace period it is condemned, no more: a HEAD would pardon it, a GET does not.
  assert.equal((await fetch(`${registry.url}/v2/a/blobs/${stray}`)).status, 200)
  assert.match(await collect('--grace', '0'), /, 1 blobs of 15 bytes removed$/)
  assert.equal((await fetch(`${registry.url}/v2/a/blobs/${stray}`)).status, 404)
  const kept = await fetch(`${registry.url}/v2/a/blobs/${digestOf(layer)}`)
  assert.deepEqual(Buffer.from(await kept.arrayBuffer()), layer)
  const wrong = await run([PROGRAM, 'garbage-collect', '--grace', 'soon', registry.config])
  assert.equal(wrong.code, 1)
  assert.equal(wrong.stderr, 'berth-registry: --grace: "soon" is not a duration such as 1h30m\n')
})

test('scrub names the blob whose bytes have changed, and fails', async () => {
  await using registry = await startRegistryProcess()
  const digest = await pushBlob(registry.url, 'a', Buffer.from('as it was'))
  assert.equal(await must([PROGRAM, 'scrub', registry.config]), '1 blobs of 9 bytes read, 0 damaged')
  const hex = digest.slice('sha256:'.length)
  const file = join(registry.root, `data/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`)
  assert.equal(readFileSync(file, 'utf8'), 'as it was')
  writeFileSync(file, 'as it is!')
  const found = await run([PROGRAM, 'scrub', registry.config])
  assert.equal(found.code, 1)
  assert.equal(found.stdout, `1 blobs of 9 bytes read, 1 damaged\n${digest}\n`)
})
