// Clients that are programs of their own push to berth-registry and pull from it, digest for digest: skopeo, crane, oras.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { must, run } from '../harness/command.ts'
import { goProgram, skipWithoutGo } from '../harness/go-programs.ts'
import { pushBusybox, pushImage } from '../harness/images.ts'
import {
  manifestOf,
  pushImage as pushSmallImage,
  putManifest,
  type RegistryProcess,
  startRegistryProcess,
} from '../harness/our-registry.ts'

const skipCrane = await skipWithoutGo('crane')
const skipOras = await skipWithoutGo('oras')

let registry: RegistryProcess
let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-clients-'))
  registry = await startRegistryProcess()
  await pushBusybox(registry.host, 'library/busybox:1')
})

after(async () => {
  await registry?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const skopeo = (...args: string[]) => must(['skopeo', '--insecure-policy', ...args], { timeoutMs: 120_000 })
const raw = (name: string) => skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/${name}`)

test('skopeo copies an image out and in again, and both are one', async () => {
  const layout = join(directory, 'layout')
  const busybox = `docker://${registry.host}/library/busybox:1`
  await skopeo('copy', '-q', '--src-tls-verify=false', busybox, `oci:${layout}:x`)
  await skopeo(
    'copy',
    '-q',
    '--dest-tls-verify=false',
    `oci:${layout}:x`,
    `docker://${registry.host}/copy/of/busybox:2`,
  )
  assert.equal(await raw('copy/of/busybox:2'), await raw('library/busybox:1'))
  const tags = await skopeo('list-tags', '--tls-verify=false', `docker://${registry.host}/copy/of/busybox`)
  assert.deepEqual((JSON.parse(tags) as { Tags: string[] }).Tags, ['2'])
})

test('skopeo turns an image into Docker’s format, and deletes it', async () => {
  const target = `docker://${registry.host}/docker/format:1`
  const flags = ['-q', '--format=v2s2', '--src-tls-verify=false', '--dest-tls-verify=false']
  await skopeo('copy', ...flags, `docker://${registry.host}/library/busybox:1`, target)
  assert.match(await raw('docker/format:1'), /vnd\.docker\.distribution\.manifest\.v2\+json/)
  await skopeo('delete', '--tls-verify=false', target)
  const inspect = ['skopeo', 'inspect', '--raw', '--tls-verify=false', target]
  assert.match((await run(inspect)).stderr, /manifest unknown/)
})

test('crane copies, lists, appends, tags and deletes', { skip: skipCrane }, async () => {
  const program = await goProgram('crane')
  const crane = (...args: string[]) => must([program, '--insecure', ...args], { timeoutMs: 120_000 })
  const name = `${registry.host}/crane/image`
  await crane('copy', `${registry.host}/library/busybox:1`, `${name}:1`)
  const digest = digestOf(await raw('library/busybox:1'))
  assert.equal(await crane('digest', `${name}:1`), digest)
  await crane('tag', `${name}:1`, 'two')
  assert.deepEqual((await crane('ls', name)).split('\n'), ['1', 'two'])
  assert.ok((await crane('catalog', registry.host)).split('\n').includes('crane/image'))
  await crane('validate', '--remote', `${name}:two`)

  const layer = join(directory, 'layer.tar')
  await writeFile(join(directory, 'file'), 'content')
  await must(['tar', '-C', directory, '-cf', layer, 'file'])
  await crane('append', '-b', `${name}:1`, '-f', layer, '-t', `${name}:more`)
  await crane('index', 'append', '-m', `${name}:1`, '-m', `${name}:more`, '-t', `${name}:all`)
  await crane('validate', '--remote', `${name}:all`)
  assert.match(await crane('export', `${name}:more`, '-'), /content/)
  await crane('delete', `${name}@${digest}`)
  assert.deepEqual((await crane('ls', name)).split('\n'), ['all', 'more'])
})

test('oras pushes files, attaches to them, discovers and pulls them', { skip: skipOras }, async () => {
  const program = await goProgram('oras')
  const oras = (args: string[], cwd = directory) => must([program, ...args], { cwd, timeoutMs: 120_000 })
  const name = `${registry.host}/oras/files`
  await writeFile(join(directory, 'data.txt'), 'some data')
  await writeFile(join(directory, 'sbom.json'), '{}')
  await oras(['push', '--plain-http', `${name}:v1`, 'data.txt:text/plain'])
  await oras(['attach', '--plain-http', '--artifact-type', 'application/sbom', `${name}:v1`, 'sbom.json'])
  const tree = await oras(['discover', '--plain-http', '--format', 'json', `${name}:v1`])
  assert.match(tree, /application\/sbom/)
  await oras(['cp', '-r', '--from-plain-http', '--to-plain-http', `${name}:v1`, `${registry.host}/oras/copy:v1`])
  const target = join(directory, 'pulled')
  await oras(['pull', '--plain-http', '-o', target, `${registry.host}/oras/copy:v1`])
  assert.equal(await readFile(join(target, 'data.txt'), 'utf8'), 'some data')
  assert.match(await oras(['discover', '--plain-http', '--format', 'json', `${registry.host}/oras/copy:v1`]), /sbom/)
  assert.deepEqual((await oras(['repo', 'tags', '--plain-http', name])).split('\n'), ['v1'])
  await oras(['manifest', 'delete', '--plain-http', '-f', `${name}:v1`])
  await oras(['blob', 'push', '--plain-http', `${name}`, 'data.txt'])
})

test('oras discovers more than fits into one page of referrers', { skip: skipOras }, async () => {
  const program = await goProgram('oras')
  const { url } = registry
  const config = Buffer.from('{}')
  const image = manifestOf([config])
  await pushSmallImage(url, 'oras/many', 'v1', image)
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: image.digest, size: image.bytes.length }
  const referrers = Array.from({ length: 30 }, (_, at) => {
    const annotations = { filler: `${at}`.padEnd(200_000, 'x') }
    return manifestOf([config], { subject, artifactType: `application/${at % 2 === 0 ? 'even' : 'odd'}`, annotations })
  })
  for (const { digest, bytes } of referrers)
    assert.equal((await putManifest(url, 'oras/many', digest, bytes)).status, 201)
  const discover = async (...filter: string[]) => {
    const name = `${registry.host}/oras/many:v1`
    const text = await must([program, 'discover', '--plain-http', '--format', 'json', ...filter, name])
    const { referrers: found = [] } = JSON.parse(text) as { referrers?: { digest: string }[] }
    return found.map(({ digest }) => digest).sort()
  }
  const digests = (list: typeof referrers) => list.map(({ digest }) => digest).sort()
  assert.deepEqual(await discover(), digests(referrers))
  const even = referrers.filter((_, at) => at % 2 === 0)
  assert.deepEqual(await discover('--artifact-type', 'application/even'), digests(even))
})

test('a layer of many megabytes comes through whole, whoever carries it', { skip: skipCrane }, async () => {
  const big = join(directory, 'big')
  await must(['mkdir', big])
  await must(['dd', 'if=/dev/urandom', `of=${big}/bytes`, 'bs=1M', 'count=64', 'status=none'])
  await must(['tar', '-C', big, '-cf', `${big}.tar`, '.'])
  await pushImage(registry.host, 'big:1', { layers: [{ tar: `${big}.tar`, compression: 'none' }], config: {} })
  const program = await goProgram('crane')
  await must([program, '--insecure', 'copy', `${registry.host}/big:1`, `${registry.host}/bigger:1`], {
    timeoutMs: 120_000,
  })
  await must([program, '--insecure', 'validate', '--remote', `${registry.host}/bigger:1`], { timeoutMs: 120_000 })
  assert.equal(await raw('bigger:1'), await raw('big:1'))
})

test('Debian’s docker-registry reads our directory, and we read what it writes there', async () => {
  const { startRegistry } = await import('../harness/registry.ts')
  const shared = join(directory, 'shared')
  const storage = { filesystem: { rootdirectory: join(shared, 'data') }, delete: { enabled: true } }
  {
    await using ours = await startRegistryProcess({ storage })
    await pushBusybox(ours.host, 'from/ours:1')
  }
  const inspect = (host: string, name: string) =>
    skopeo('copy', '-q', '--src-tls-verify=false', `docker://${host}/${name}`, `oci:${join(directory, 'check')}:x`)
  {
    await using original = await startRegistry(shared)
    await inspect(original.host, 'from/ours:1')
    await pushBusybox(original.host, 'from/original:1')
  }
  await using ours = await startRegistryProcess({ storage })
  await inspect(ours.host, 'from/original:1')
  const catalog = (await (await fetch(`${ours.url}/v2/_catalog`)).json()) as { repositories: string[] }
  assert.deepEqual(catalog.repositories, ['from/original', 'from/ours'])
})
