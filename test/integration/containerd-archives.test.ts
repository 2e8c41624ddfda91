// Image archives through our transfer service: what other programs write is imported, what is exported other programs read, digests being equal.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from '../harness/with-ctr-two.ts'
import { run, must } from '../harness/command.ts'
import { startContainerd, type TestContainerd } from '../harness/containerd.ts'
import { type PlatformImage, writePlatformImage } from '../harness/platform-image.ts'
import { type RealContainerd, startRealContainerd } from '../harness/real-containerd.ts'
import { skipWithout } from '../harness/runtime.ts'

const skipOriginal = skipWithout('containerd', 'ctr')
const NAME = 'registry.example/lib/image:1'
let containerd: TestContainerd
let original: RealContainerd | undefined
let directory = ''
let image: PlatformImage
const file = (name: string) => join(directory, name)
const skopeo = (...args: string[]) => must(['skopeo', '--insecure-policy', ...args])

before(async () => {
  containerd = await startContainerd()
  directory = await mkdtemp(join(tmpdir(), 'archives-'))
  image = await writePlatformImage(file('layout'))
  const source = (name: string) => `oci:${file('layout')}:${name}`
  await skopeo('copy', '-q', source('amd64'), `docker-archive:${file('docker.tar')}:${NAME}`)
  await skopeo('copy', '-q', source('amd64'), `oci-archive:${file('oci.tar')}:${NAME}`)
  await skopeo('copy', '-q', '--all', source('image'), `oci-archive:${file('index.tar')}:${NAME}`)
  if (skipOriginal === false) original = await startRealContainerd()
})

after(async () => {
  await original?.[Symbol.asyncDispose]()
  await containerd[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

/** Name and digest of each image. */
async function imagesOf(namespace: string): Promise<Record<string, string>> {
  const { images } = await containerd.client(namespace).images.list({ filters: [] })
  return Object.fromEntries(images.map(({ name, target }) => [name, target?.digest ?? '']))
}

async function originalImages(namespace: string): Promise<Record<string, string>> {
  const lines = (await theirs('-n', namespace, 'images', 'ls')).split('\n').slice(1)
  return Object.fromEntries(lines.map((line) => line.split(/\s+/)).map(([name = '', , digest = '']) => [name, digest]))
}

async function theirs(...args: string[]): Promise<string> {
  return must(['ctr', '-a', original?.address ?? '', ...args])
}

/** Without `--platform` of another machine than the image's, so that the layers are unpacked. */
const importFlags = ['--platform', 'linux/amd64']

test('docker save’s format is imported as the original imports it', { skip: skipOriginal }, async () => {
  await containerd.ok('-n', 'docker', 'images', 'import', ...importFlags, file('docker.tar'))
  await theirs('-n', 'docker', 'images', 'import', ...importFlags, file('docker.tar'))
  const found = await imagesOf('docker')
  assert.deepEqual(Object.keys(found), [NAME])
  assert.deepEqual(found, await originalImages('docker'))
  const told = await containerd.ok('-n', 'docker', 'images', 'check', '-q', `name==${NAME}`)
  assert.equal(told, NAME)
})

test('compressed archives and pipes are imported, with the same digests', async () => {
  await containerd.ok('-n', 'plain', 'images', 'import', ...importFlags, file('oci.tar'))
  const expected = await imagesOf('plain')
  assert.deepEqual(Object.values(expected), [image.amd64.digest])
  await must(['sh', '-c', 'gzip -k oci.tar; zstd -q oci.tar'], { cwd: directory })
  for (const [namespace, name] of [
    ['gz', 'oci.tar.gz'],
    ['zst', 'oci.tar.zst'],
  ] as const) {
    await containerd.ok('-n', namespace, 'images', 'import', ...importFlags, file(name))
    assert.deepEqual(await imagesOf(namespace), expected)
  }
  const piped = await containerd.ctr(['-n', 'pipe', 'images', 'import', ...importFlags, '-'], {
    input: await readFile(file('oci.tar.gz')),
  })
  assert.equal(piped.code, 0, piped.stderr)
  assert.deepEqual(await imagesOf('pipe'), expected)
})

test('an index of several platforms is imported whole, or as far as one platform needs it', async () => {
  await containerd.ok('-n', 'whole', 'images', 'import', '--all-platforms', '--no-unpack', file('index.tar'))
  assert.deepEqual(Object.values(await imagesOf('whole')), [image.index.digest])
  const listed = await containerd.ok('-n', 'whole', 'images', 'ls')
  assert.match(listed, /linux\/amd64,linux\/arm64/)
  // What one platform does not need is nobody's, and goes with the lease.
  await containerd.ok('-n', 'part', 'images', 'import', ...importFlags, file('index.tar'))
  assert.deepEqual(Object.values(await imagesOf('part')), [image.index.digest])
  const snapshots = await containerd.ok('-n', 'part', 'snapshots', 'ls')
  assert.equal(snapshots.split('\n').length - 1, 2)
})

test('names are given as they are asked for', async () => {
  const flags = ['--base-name', 'registry.example/lib/image', '--digests', '--index-name', 'the-index']
  await containerd.ok('-n', 'names', 'images', 'import', ...flags, ...importFlags, file('oci.tar'))
  const found = await imagesOf('names')
  assert.deepEqual(Object.keys(found).sort(), [NAME, `registry.example/lib/image@${found['the-index']}`, 'the-index'])
  const { image: named } = await containerd.client('names').images.get({ name: NAME })
  assert.equal(named?.labels['containerd.io/gc.bref.image'], 'the-index')
  assert.match(named.labels['containerd.io/gc.expire'] ?? '', /^\d{4}-\d\d-\d\dT/)
  await containerd.ok('-n', 'filtered', 'images', 'import', '--base-name', 'elsewhere.example/x', file('docker.tar'))
  assert.deepEqual(await imagesOf('filtered'), {})
})

test('layers are compressed on request', async () => {
  await containerd.ok('-n', 'packed', 'images', 'import', '--compress-blobs', ...importFlags, file('docker.tar'))
  const sizes = (await containerd.ok('-n', 'packed', 'images', 'ls')).split('\n')
  assert.equal(sizes.length, 2)
  const content = await containerd.ok('-n', 'packed', 'content', 'ls')
  assert.match(content, /containerd.io\/uncompressed=sha256:/)
  const [digest = ''] = Object.values(await imagesOf('packed'))
  assert.match(await containerd.ok('-n', 'packed', 'content', 'get', digest), /rootfs\.diff\.tar\.gzip/)
})

test('an export is read by the original, by skopeo and by ourselves, with equal digests', async () => {
  await containerd.ok('-n', 'from', 'images', 'import', '--all-platforms', '--no-unpack', file('index.tar'))
  const out = file('out.tar')
  await containerd.ok('-n', 'from', 'images', 'export', '--all-platforms', out, NAME)
  const inspected = await must(['skopeo', 'inspect', '--raw', `oci-archive:${out}:1`])
  assert.equal(inspected, await must(['skopeo', 'inspect', '--raw', `oci:${file('layout')}:image`]))
  await containerd.ok('-n', 'again', 'images', 'import', '--all-platforms', '--no-unpack', out)
  assert.deepEqual(await imagesOf('again'), { [NAME]: image.index.digest })
  if (original === undefined) return
  await theirs('-n', 'again', 'images', 'import', '--all-platforms', '--no-unpack', out)
  assert.deepEqual(await originalImages('again'), { [NAME]: image.index.digest })
})

test('an export of one platform is a Docker archive too', async () => {
  await containerd.ok('-n', 'one', 'images', 'import', '--all-platforms', '--no-unpack', file('index.tar'))
  const out = file('one.tar')
  await containerd.ok('-n', 'one', 'images', 'export', '--platform', 'linux/arm64', out, NAME)
  const config = JSON.parse(await must(['skopeo', 'inspect', '--config', `docker-archive:${out}:${NAME}`]))
  assert.equal(config.architecture, 'arm64')
  await containerd.ok('-n', 'one', 'images', 'export', '--platform', 'linux/arm64', '--skip-manifest-json', out, NAME)
  assert.doesNotMatch(await must(['tar', '-tf', out]), /manifest\.json/)
})

test('an export makes the same bytes every time, and those of the original', { skip: skipOriginal }, async () => {
  await containerd.ok('-n', 'same', 'images', 'import', '--all-platforms', '--no-unpack', file('index.tar'))
  await theirs('-n', 'same', 'images', 'import', '--all-platforms', '--no-unpack', file('index.tar'))
  const sum = async (name: string) => (await must(['sha256sum', file(name)])).slice(0, 64)
  for (const name of ['a.tar', 'b.tar']) {
    await containerd.ok('-n', 'same', 'images', 'export', '--all-platforms', file(name), NAME)
  }
  assert.equal(await sum('a.tar'), await sum('b.tar'))
  // The very same, by ctr 2.x without a transfer service, from the original's own store.
  await must([
    containerd.program,
    '-a',
    original?.address ?? '',
    '-n',
    'same',
    'images',
    'export',
    '--local',
    '--all-platforms',
    file('c.tar'),
    NAME,
  ])
  assert.equal(await sum('a.tar'), await sum('c.tar'))
  const piped = await run([
    'sh',
    '-c',
    `${containerd.program} -a ${containerd.address} -n same images export --all-platforms - ${NAME} | sha256sum`,
  ])
  assert.equal(piped.stdout.slice(0, 64), await sum('a.tar'))
})

test('what can’t be exported is said in containerd’s words, and what can’t be imported', async () => {
  const missing = await containerd.ctr(['-n', 'none', 'images', 'export', file('none.tar'), NAME])
  assert.deepEqual([missing.code, missing.stderr.trim()], [1, `ctr: image "${NAME}": not found`])
  await containerd.ok('-n', 'words', 'images', 'import', ...importFlags, file('index.tar'))
  const platform = await containerd.ctr([
    '-n',
    'words',
    'images',
    'export',
    '--platform',
    'linux/s390x',
    file('none.tar'),
    NAME,
  ])
  assert.deepEqual([platform.code, platform.stderr.trim()], [1, 'ctr: no manifest found for platform: not found'])
  await writeFile(file('text.tar'), 'this is no archive')
  const text = await containerd.ctr(['-n', 'none', 'images', 'import', file('text.tar')])
  assert.deepEqual([text.code, text.stderr.trim()], [1, 'ctr: unexpected EOF'])
})
