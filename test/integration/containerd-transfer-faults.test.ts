// Transfers that go wrong: a clear error, and neither an upload nor a lease nor a snapshot is left.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from '../harness/with-ctr-two.ts'
import { gzipSync } from 'node:zlib'
import { imageFile } from '../../src/image/make-image.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { TarSource } from '../../src/wire/tar/write-tar.ts'
import { eventually, must } from '../harness/command.ts'
import { assertNothingLeft, leavingsOf, startContainerd, type TestContainerd } from '../harness/containerd.ts'
import { fakeImage, type FakeRegistry, layerOf, startFakeRegistry, tarOf } from '../harness/fake-registry.ts'

const LARGE = Buffer.alloc(1_000_000, 'large')
let containerd: TestContainerd
let registry: FakeRegistry
let directory = ''
let count = 0
const file = (name: string) => join(directory, name)

before(async () => {
  containerd = await startContainerd()
  registry = await startFakeRegistry()
  directory = await mkdtemp(join(tmpdir(), 'transfer-faults-'))
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await containerd[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

/** Fails with these words, in a namespace of its own in which nothing is left. */
async function assertFails(args: readonly string[], words: RegExp): Promise<void> {
  const namespace = `fault-${++count}`
  const { code, stderr, stdout } = await containerd.ctr(['-n', namespace, ...args])
  assert.equal(code, 1, stdout)
  assert.match(stderr, words)
  await assertNothingLeft(containerd.client(namespace))
}

/** ctr takes a lease of its own before it asks for a transfer. Killed, it leaves it to its time of expiry; nothing else stays, and with it nothing. */
async function assertOnlyClientsLease(namespace: string): Promise<void> {
  const client = containerd.client(namespace)
  const isLeft = (found: string) => !found.startsWith('lease ') && !found.startsWith('content ')
  await eventually('uploads and snapshots are gone', 10_000, async () => !(await leavingsOf(client)).some(isLeft))
  const isOurs = ({ labels }: { labels: Record<string, string> }) => 'berth.containerd.transfer' in labels
  const leases = async () => (await client.leases.list({ filters: [] })).leases
  await eventually('the transfer’s own lease is gone', 10_000, async () => !(await leases()).some(isOurs))
  for (const { id, labels } of await leases()) {
    assert.ok('containerd.io/gc.expire' in labels)
    await client.leases.delete({ id, sync: true })
  }
  await assertNothingLeft(client)
}

const pull = (...flags: string[]) => ['images', 'pull', ...flags, `${registry.host}/lib/image:1`]
const goodLayer = () => layerOf(imageFile('a', { content: LARGE }))

test('a registry that lies is found out', async () => {
  const layer = await goodLayer()
  const good = fakeImage([layer])
  const wrongBytes = fakeImage([layer])
  wrongBytes.blobs.set(digestOf(layer.bytes), Buffer.alloc(layer.bytes.length))
  registry.serve('lib/image', wrongBytes)
  await assertFails(
    pull(),
    /failed commit on ref "layer-sha256:\w+": unexpected commit digest sha256:\w+, expected sha256:\w+/,
  )
  registry.serve('lib/image', fakeImage([{ ...layer, diffId: digestOf('another') }]))
  await assertFails(pull(), /wrong diff id "sha256:\w+" calculated on extraction "sha256:\w+", desc "sha256:\w+"/)
  registry.serve('lib/image', fakeImage([layer], { config: Buffer.from('{"os":"linux","rootfs":{"type":"layers"}}') }))
  await assertFails(pull(), /number of layers and diffIDs don't match: 1 != 0/)
  const notTar = Buffer.from('not a tar archive at all')
  registry.serve('lib/image', fakeImage([{ bytes: notTar, diffId: digestOf(notTar) }]))
  await assertFails(
    pull(),
    /failed to extract layer \(application\/vnd\.oci\.image\.layer\.v1\.tar\+gzip sha256:\w+\) to overlayfs as "extract-/,
  )
  registry.serve('lib/image', { ...good, manifest: Buffer.from('{"schemaVersion":1}') })
  await assertFails(pull(), /failed to resolve image/)
  registry.serve(
    'lib/image',
    fakeImage([layer], { manifest: { layers: [{ mediaType: 'x', digest: digestOf('x'), size: 0 }] } }),
  )
  await assertFails(pull(), /reports content size of zero/)
})

test('what a registry lacks, or refuses, fails the pull', async () => {
  const layer = await goodLayer()
  const image = fakeImage([layer])
  image.blobs.delete(digestOf(layer.bytes))
  registry.serve('lib/image', image)
  await assertFails(pull(), /blob unknown/)
  await assertFails(
    ['images', 'pull', `${registry.host}/lib/none:1`],
    /^ctr: failed to resolve image: 127.0.0.1:\d+\/lib\/none:1: not found$/m,
  )
  await assertFails(
    ['images', 'pull', `${registry.host}/lib/image`],
    /^ctr: failed to resolve image: object required$/m,
  )
  await assertFails(
    ['images', 'pull', '127.0.0.1:1/lib/image:1'],
    /failed to do request: .*connect: connection refused/,
  )
})

test('a registry that cuts the line for good fails the pull', async () => {
  registry.serve('lib/image', fakeImage([await goodLayer()]))
  registry.interfere = (request, response) => {
    if (!request.url?.includes('/blobs/')) return false
    response.writeHead(500).end()
    return true
  }
  try {
    await assertFails(pull(), /received unexpected HTTP status: 500/)
  } finally {
    registry.interfere = undefined
  }
})

/** A Docker archive of one layer, whose parts can be left out or wrong. */
async function dockerArchive(changes: { config?: object; layer?: Buffer; files?: TarSource[] } = {}): Promise<Buffer> {
  const layer = changes.layer ?? (await tarOf([imageFile('a', { content: LARGE })]))
  const rootfs = { type: 'layers', diff_ids: [digestOf(layer)] }
  const config = changes.config ?? { os: 'linux', architecture: 'amd64', rootfs }
  return tarOf([
    imageFile('config.json', { content: JSON.stringify(config) }),
    imageFile('layer.tar', { content: layer }),
    ...(changes.files ?? []),
    imageFile('manifest.json', {
      content: JSON.stringify([{ Config: 'config.json', RepoTags: ['a.b/c:1'], Layers: ['layer.tar'] }]),
    }),
  ])
}

test('archives that are cut or wrong are refused', async () => {
  const archive = await dockerArchive()
  const cases: [bytes: Buffer, words: RegExp][] = [
    [
      archive.subarray(0, 500_000),
      /failed to ingest "layer.tar": short read: expected \d+ bytes but got \d+: unexpected EOF/,
    ],
    [gzipSync(archive).subarray(0, -100), /unexpected EOF/],
    [archive.subarray(0, 2048 + 512), /failed to ingest "layer.tar": short read/],
    [Buffer.alloc(10_240), /unrecognized image format/],
    [
      await dockerArchive({ config: { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } } }),
      /don't match: 1 != 0/,
    ],
    [
      await dockerArchive({ files: [imageFile(`blobs/sha256/${'0'.repeat(64)}`, { content: 'x' })] }),
      /unexpected commit digest/,
    ],
    [await dockerArchive({ layer: Buffer.alloc(100_000, 'x') }), /failed to extract layer/],
    [await tarOf([imageFile('oci-layout', { content: '{"imageLayoutVersion":"1.0.0"}' })]), /missing index.json/],
  ]
  for (const [bytes, words] of cases) {
    await writeFile(file('bad.tar'), bytes)
    await assertFails(['images', 'import', '--platform', 'linux/amd64', file('bad.tar')], words)
  }
})

test('names in an archive reach no file', async () => {
  const evil = '../../../../../../../../tmp/transfer-escape'
  const archive = await dockerArchive({
    files: [imageFile(evil, { content: 'x' }), imageFile('link', { type: 'symlink', linkName: '/etc/passwd' })],
  })
  await writeFile(file('evil.tar'), archive)
  await assertFails(['images', 'import', file('evil.tar')], /no target for symlink layer from "link" to "etc\/passwd"/)
  await assert.rejects(readFile('/tmp/transfer-escape'), { code: 'ENOENT' })
})

test('a client that is killed in the middle of a pull leaves nothing', async () => {
  registry.serve('lib/image', fakeImage([await goodLayer()]))
  let isAsked: () => void = () => {}
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve
  })
  registry.interfere = (request, response) => {
    if (!request.url?.includes('/blobs/') || request.method !== 'GET') return false
    response.writeHead(200, { 'content-length': LARGE.length })
    response.write(LARGE.subarray(0, 100))
    isAsked()
    return true // and no more, ever
  }
  try {
    const client = spawn(containerd.program, ['-a', containerd.address, '-n', 'killed', ...pull()], { stdio: 'ignore' })
    await asked
    assert.notDeepEqual(await leavingsOf(containerd.client('killed')), [])
    client.kill('SIGKILL')
    await once(client, 'exit')
    await assertOnlyClientsLease('killed')
  } finally {
    registry.interfere = undefined
  }
})

test('a client that is killed in the middle of an import leaves nothing', async () => {
  const args = ['-a', containerd.address, '-n', 'killed-import', 'images', 'import', '-']
  const client = spawn(containerd.program, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  client.stdin.on('error', () => {}) // its death closes the pipe
  client.stdin.write((await dockerArchive()).subarray(0, 600_000))
  const watcher = containerd.client('killed-import')
  await eventually('the layer is on its way', 10_000, async () =>
    (await leavingsOf(watcher)).some((found) => found.startsWith('ingest tar-')),
  )
  client.kill('SIGKILL')
  await once(client, 'exit')
  await assertOnlyClientsLease('killed-import')
})

test('a client that stops reading an export, and is killed, holds nothing', async () => {
  await writeFile(
    file('good.tar'),
    await dockerArchive({ layer: await tarOf([imageFile('a', { content: Buffer.alloc(8_000_000) })]) }),
  )
  await containerd.ok('-n', 'killed-export', 'images', 'import', file('good.tar'))
  await must(['mkfifo', file('fifo')])
  const args = ['-a', containerd.address, '-n', 'killed-export', 'images', 'export', file('fifo'), 'a.b/c:1']
  const client = spawn(containerd.program, args, { stdio: 'ignore' })
  const reader = spawn('head', ['-c', '100', file('fifo')], { stdio: 'ignore' })
  const watcher = containerd.client('killed-export')
  const leases = async () => (await watcher.leases.list({ filters: [] })).leases.length
  await eventually('the export runs', 10_000, async () => (await leases()) === 2)
  client.kill('SIGKILL')
  await once(client, 'exit')
  reader.kill()
  await eventually('its lease is gone', 10_000, async () => (await leases()) === 1)
})

test('a daemon that is killed in the middle of a transfer drops what was begun when it starts again', async () => {
  const args = ['-a', containerd.address, '-n', 'crash', 'images', 'import', '-']
  const client = spawn(containerd.program, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  client.stdin.on('error', () => {}) // its end closes the pipe
  client.stdin.write((await dockerArchive()).subarray(0, 600_000))
  await eventually('the layer is on its way', 10_000, async () =>
    (await leavingsOf(containerd.client('crash'))).some((found) => found.startsWith('ingest tar-')),
  )
  await containerd.kill()
  client.kill()
  await containerd.start()
  await assertOnlyClientsLease('crash')
})

test('an archive larger than memory would like passes through', async () => {
  const layer = file('layer.tar')
  const output = createWriteStream(layer)
  for (let part = 0; part < 64; part++) if (!output.write(Buffer.alloc(1 << 20, part))) await once(output, 'drain')
  output.end()
  await once(output, 'close')
  const [sum = ''] = (await must(['sha256sum', layer])).split(' ')
  await writeFile(
    file('config.json'),
    JSON.stringify({ os: 'windows', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [`sha256:${sum}`] } }),
  )
  await writeFile(
    file('manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: ['a.b/c:1'], Layers: ['layer.tar'] }]),
  )
  await must(['tar', '-cf', 'large.tar', 'config.json', 'layer.tar', 'manifest.json'], { cwd: directory })
  await containerd.ok('-n', 'large', 'images', 'import', '--all-platforms', file('large.tar'))
  await containerd.ok('-n', 'large', 'images', 'export', '--platform', 'windows/amd64', file('copy.tar'), 'a.b/c:1')
  const layerSum = `tar -xOf copy.tar blobs/sha256/${sum} | sha256sum`
  assert.equal((await must(['sh', '-c', layerSum], { cwd: directory })).slice(0, 64), sum)
})
