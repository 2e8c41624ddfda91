// The original ctr 2.x pulls, pushes and tags through our transfer service, as it does by default.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from '../harness/with-ctr-two.ts'
import { create } from '@bufbuild/protobuf'
import { Transfer } from '../../src/gen/services/transfer_pb.ts'
import { ImageExportStreamSchema } from '../../src/gen/types/transfer/importexport_pb.ts'
import { OCIRegistrySchema } from '../../src/gen/types/transfer/registry_pb.ts'
import { packMessage } from '../../src/containerd/client/any.ts'
import { createSocketTransport } from '../../src/wire/grpc/socket-transport.ts'
import { createClient } from '../../src/wire/grpc/transport.ts'
import { imageFile } from '../../src/image/make-image.ts'
import { must } from '../harness/command.ts'
import { assertNothingLeft, startContainerd, type TestContainerd } from '../harness/containerd.ts'
import { fakeImage, layerOf, startFakeRegistry } from '../harness/fake-registry.ts'
import { type PlatformImage, pushPlatformImage } from '../harness/platform-image.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let containerd: TestContainerd
let registry: TestRegistry
let image: PlatformImage
const CREDENTIALS = 'me:secret'

before(async () => {
  containerd = await startContainerd()
  registry = await startRegistry(join(containerd.directory, 'registry'))
  image = await pushPlatformImage(registry.host, 'lib/image:1')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await containerd[Symbol.asyncDispose]()
})

const nameOf = (repository: string) => `${registry.host}/${repository}`

/** Digests, with what the content store says of them. */
async function contentOf(namespace: string): Promise<Map<string, Readonly<Record<string, string>>>> {
  const found = new Map<string, Readonly<Record<string, string>>>()
  for await (const { info } of containerd.client(namespace).content.list({ filters: [] }))
    for (const { digest, labels } of info) found.set(digest, labels)
  return found
}

async function snapshotsOf(namespace: string): Promise<string[]> {
  const found: string[] = []
  for await (const { info } of containerd.client(namespace).snapshots.list({ snapshotter: '', filters: [] }))
    found.push(...info.map(({ name }) => name))
  return found
}

const targetOf = async (namespace: string, name: string) =>
  (await containerd.client(namespace).images.get({ name })).image?.target?.digest

test('a pull brings in what the platform needs, labelled, unpacked, named, and tells of it', async () => {
  const name = nameOf('lib/image:1')
  const told = await containerd.ok('-n', 'pull', 'images', 'pull', '--platform', 'linux/amd64', '--label', 'a=b', name)
  const words = [
    'Pulling from OCI Registry',
    'fetching image content',
    'saved',
    'extracted',
    `index (${image.index.digest.slice(7, 19)})`,
  ]
  for (const word of words) assert.ok(told.includes(word), `${word} in:\n${told}`)
  const { image: found } = await containerd.client('pull').images.get({ name })
  assert.equal(found?.target?.digest, image.index.digest)
  assert.deepEqual(found.labels, { a: 'b' })
  const content = await contentOf('pull')
  const index = content.get(image.index.digest)
  assert.equal(index?.['containerd.io/gc.ref.content.m.0'], image.amd64.digest)
  assert.equal(index['containerd.io/gc.ref.content.m.1'], image.arm64.digest)
  assert.equal(index['containerd.io/distribution.source.127.0.0.1'], 'lib/image')
  const manifest = content.get(image.amd64.digest)!
  const config = content.get(manifest['containerd.io/gc.ref.content.config']!)!
  const layers = [0, 1].map((number) => content.get(manifest[`containerd.io/gc.ref.content.l.${number}`]!))
  for (const labels of layers) assert.match(labels?.['containerd.io/uncompressed'] ?? '', /^sha256:/)
  const top = config['containerd.io/gc.ref.snapshot.overlayfs']!
  const snapshots = await snapshotsOf('pull')
  assert.ok(snapshots.includes(top) && snapshots.length === 2, `${snapshots}`)
  assert.deepEqual((await containerd.client('pull').leases.list({ filters: [] })).leases, [])
  // Both manifests and configurations, the layers of one platform.
  assert.equal(content.size, 1 + 2 + 2 + 2)
  await containerd.ok('-n', 'pull', 'images', 'rm', '--sync', name)
  await assertNothingLeft(containerd.client('pull'))
})

test('a pull by the client itself ends with the same image', async () => {
  const name = nameOf('lib/image:1')
  await containerd.ok('-n', 'by-transfer', 'images', 'pull', '--platform', 'linux/amd64', name)
  await containerd.ok('-n', 'by-client', 'images', 'pull', '--local', '--platform', 'linux/amd64', name)
  assert.equal(await targetOf('by-client', name), await targetOf('by-transfer', name))
  assert.deepEqual(await snapshotsOf('by-client'), await snapshotsOf('by-transfer'))
})

test('platforms are chosen; all of them, too, and those of others without their layers or not at all', async () => {
  const name = nameOf('lib/image:1')
  const pull = (namespace: string, ...flags: string[]) =>
    containerd.ok('-n', namespace, 'images', 'pull', ...flags, name)
  await pull('arm', '--platform', 'linux/arm64', '--skip-metadata')
  const arm = await contentOf('arm')
  assert.ok(arm.has(image.arm64.digest) && !arm.has(image.amd64.digest))
  await pull('all', '--all-platforms')
  assert.equal((await contentOf('all')).size, 1 + 2 + 2 + 4)
  assert.deepEqual(await snapshotsOf('all'), [])
})

test('credentials are asked of the client, shown to the registry, and refused where they are wrong', async () => {
  const file = join(containerd.directory, 'htpasswd')
  // bcrypt of `secret`, as `htpasswd -B` writes it.
  await writeFile(file, 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n')
  await using locked = await startRegistry(join(containerd.directory, 'locked'), { htpasswd: file })
  await pushPlatformImage(locked.host, 'lib/image:1', CREDENTIALS)
  const name = `${locked.host}/lib/image:1`
  await containerd.ok('-n', 'auth', 'images', 'pull', '--user', CREDENTIALS, name)
  await containerd.ok(
    '-n',
    'auth',
    'images',
    'push',
    '--plain-http',
    '--user',
    CREDENTIALS,
    `${locked.host}/lib/copy:1`,
    name,
  )
  const words =
    /failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed/
  for (const user of [['--user', 'me:wrong'], []]) {
    const { code, stderr } = await containerd.ctr(['-n', 'denied', 'images', 'pull', ...user, name])
    assert.equal(code, 1)
    assert.match(stderr, words)
  }
  const refused = await containerd.ctr([
    '-n',
    'auth',
    'images',
    'push',
    '--plain-http',
    `${locked.host}/lib/no:1`,
    name,
  ])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /push access denied, .*authorization failed/)
  await assertNothingLeft(containerd.client('denied'))
})

test('a hosts directory names mirrors, and headers for them', async () => {
  await using mirror = await startFakeRegistry()
  mirror.serve('lib/image', fakeImage([await layerOf(imageFile('a', { content: 'a' }))]))
  const hosts = join(containerd.directory, 'hosts/registry.invalid_5000_')
  await mkdir(hosts, { recursive: true })
  await writeFile(
    join(hosts, 'hosts.toml'),
    `server = "https://registry.invalid:5000"
[host."http://127.0.0.1:1"]
  capabilities = ["pull", "resolve"]
[host."http://${mirror.host}"]
  capabilities = ["pull", "resolve"]
  [host."http://${mirror.host}".header]
    authorization = "Bearer from-hosts-toml"
`,
  )
  const flags = ['--hosts-dir', join(containerd.directory, 'hosts')]
  await containerd.ok('-n', 'mirror', 'images', 'pull', ...flags, 'registry.invalid:5000/lib/image:1')
  assert.ok(mirror.requests.length > 0)
  for (const { line, authorization } of mirror.requests) {
    assert.match(line, /ns=registry\.invalid%3A5000/)
    assert.equal(authorization, 'Bearer from-hosts-toml')
  }
})

test('what goes over the wire is shown to who asks, without secrets', async () => {
  const { code, stderr, stdout } = await containerd.ctr([
    '-n',
    'dump',
    'images',
    'pull',
    '--http-dump',
    nameOf('lib/image:1'),
  ])
  assert.equal(code, 0)
  assert.match(stdout + stderr, /GET \/v2\/lib\/image\/manifests\/1 HTTP\/1\.1/)
})

test('a push brings the image to another repository, whose blobs are not sent twice', async () => {
  const [name, copy] = [nameOf('lib/image:1'), nameOf('other/copy:2')]
  await containerd.ok('-n', 'push', 'images', 'pull', '--all-platforms', name)
  const told = await containerd.ok('-n', 'push', 'images', 'push', '--plain-http', copy, name)
  assert.ok(told.includes('pushed content') && told.includes('already exists'), told)
  const inspect = ['skopeo', 'inspect', '--raw', '--tls-verify=false']
  assert.equal(await must([...inspect, `docker://${copy}`]), await must([...inspect, `docker://${name}`]))
  await must([...inspect, `docker://${nameOf('other/copy')}@${image.arm64.digest}`])
  const missing = await containerd.ctr(['-n', 'push', 'images', 'push', '--plain-http', nameOf('no/such:1')])
  assert.deepEqual([missing.code, missing.stderr.trim()], [1, `ctr: image "${nameOf('no/such:1')}": not found`])
})

test('a push of some platforms needs the content of those alone', async () => {
  await using other = await startRegistry(join(containerd.directory, 'other'))
  const name = nameOf('lib/image:1')
  await containerd.ok('-n', 'partial', 'images', 'pull', '--platform', 'linux/amd64', name)
  const push = (...args: string[]) => containerd.ctr(['-n', 'partial', 'images', 'push', '--plain-http', ...args, name])
  const all = await push(`${other.host}/all/platforms:1`)
  assert.equal(all.code, 1)
  assert.match(all.stderr, /^ctr: content digest sha256:\w+: not found/)
  const some = await push('--platform', 'linux/amd64', `${other.host}/some/platforms:1`)
  // All but the index is there: a registry that insists on all of an index's manifests refuses it.
  assert.match(some.stderr, /^ctr: manifest blob unknown/)
  const raw = ['skopeo', 'inspect', '--raw', '--tls-verify=false']
  await must([...raw, `docker://${other.host}/some/platforms@${image.amd64.digest}`])
})

test('a tag is one more name, and takes the name from whatever had it', async () => {
  const name = nameOf('lib/image:1')
  await containerd.ok('-n', 'tag', 'images', 'pull', name)
  assert.equal(
    await containerd.ok('-n', 'tag', 'images', 'tag', name, 'docker.io/library/tagged:1'),
    'docker.io/library/tagged:1',
  )
  await containerd.ok('-n', 'tag', 'images', 'tag', name, 'docker.io/library/tagged:1')
  assert.equal(await targetOf('tag', 'docker.io/library/tagged:1'), image.index.digest)
  const missing = await containerd.ctr([
    '-n',
    'tag',
    'images',
    'tag',
    'docker.io/library/none:1',
    'docker.io/library/x:1',
  ])
  assert.deepEqual([missing.code, missing.stderr.trim()], [1, 'ctr: image "docker.io/library/none:1": not found'])
})

test('two pulls of one blob download it once', async () => {
  await using slow = await startFakeRegistry()
  slow.serve('lib/image', fakeImage([await layerOf(imageFile('a', { content: 'a'.repeat(10_000) }))]))
  const isBlob = (line: string) => /GET .*\/blobs\//.test(line)
  // Blobs come once both pulls are after them.
  let both: () => void = () => {}
  const asked = new Promise<void>((resolve) => {
    both = resolve
  })
  let manifests = 0
  slow.interfere = async (request) => {
    if (/manifests/.test(request.url ?? '') && ++manifests === 2) both()
    if (isBlob(`${request.method} ${request.url}`)) await asked
    return false
  }
  const name = `${slow.host}/lib/image:1`
  await Promise.all(['once-a', 'once-b'].map((namespace) => containerd.ok('-n', namespace, 'images', 'pull', name)))
  assert.equal(slow.requests.filter(({ line }) => isBlob(line)).length, 2, 'a configuration and a layer')
  assert.deepEqual(await snapshotsOf('once-a'), await snapshotsOf('once-b'))
})

test('ends that do not fit are refused in containerd’s words', async () => {
  const transport = createSocketTransport(containerd.address)
  const transfer = createClient(Transfer, transport, { 'containerd-namespace': 'default' })
  try {
    const registryEnd = packMessage(OCIRegistrySchema, create(OCIRegistrySchema, { reference: 'a.b/c:1' }))
    await assert.rejects(transfer.transfer({ source: registryEnd, destination: registryEnd }), {
      code: 'unimplemented',
      message:
        'method Transfer not implemented for containerd.types.transfer.OCIRegistry to containerd.types.transfer.OCIRegistry',
    })
    const stream = packMessage(ImageExportStreamSchema, create(ImageExportStreamSchema, { stream: 'none' }))
    await assert.rejects(transfer.transfer({ source: registryEnd, destination: stream }), { code: 'not-found' })
    const strange = { ...registryEnd, typeUrl: 'a.b/c' }
    await assert.rejects(transfer.transfer({ source: strange, destination: registryEnd }), { code: 'not-found' })
    const progress = { source: registryEnd, destination: registryEnd, options: { progressStream: 'none' } }
    await assert.rejects(transfer.transfer(progress), { code: 'not-found' })
  } finally {
    transport.close()
  }
})
