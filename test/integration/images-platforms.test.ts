// An image of two platforms with attestations, as BuildKit makes one, from a registry and from an archive: what lists, inspect, save and
// removal tell and do of its manifests, seen by Docker's client and ours.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { ImageSummary, ManifestSummary } from '../../src/api/image-types.ts'
import { OciLayout } from '../../src/image/oci-layout.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { type CommandResult, must } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { openTestRegistry, type TestRegistryInside } from '../harness/our-registry.ts'
import { type PlatformImage, writePlatformImage } from '../harness/platform-image.ts'

const skip = process.arch === 'x64' ? skipWithoutDocker28 : 'its platforms are those of an x64 machine'
let directory: string
let engine: TestEngine
let registry: TestRegistryInside
let image: PlatformImage
let attestations: Descriptor[]
let index: Descriptor
let remote: string
const loaded = 'attested:1'

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'berth-platforms-'))
  engine = await startEngine()
  registry = await openTestRegistry()
  const layoutPath = join(directory, 'layout')
  image = await writePlatformImage(layoutPath)
  const layout = await OciLayout.open(layoutPath)
  attestations = [await attest(layout, image.amd64), await attest(layout, image.arm64)]
  const manifests = [image.amd64, image.arm64, ...attestations]
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }
  index = await layout.write(MEDIA_TYPE.ociIndex, Buffer.from(JSON.stringify(document)))
  await layout.tag(index, 'attested')
  remote = `${registry.address}/attested:1`
  const copy = ['skopeo', '--insecure-policy', 'copy', '-q', '--all', '--dest-tls-verify=false']
  await must([...copy, `oci:${layoutPath}:attested`, `docker://${remote}`])
  await must([...copy, `oci:${layoutPath}:attested`, `oci-archive:${archive()}:${loaded}`])
})

after(async () => {
  await engine?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

const archive = () => join(directory, 'attested.tar')

/** A manifest of in-toto statements, of the form that BuildKit pushes beside an image. */
async function attest(layout: OciLayout, subject: Descriptor): Promise<Descriptor> {
  const statement = {
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType: 'https://slsa.dev/provenance/v0.2',
    subject: [{ name: '_', digest: { sha256: subject.digest.slice(7) } }],
    predicate: { builder: { id: '' } },
  }
  const layer = await layout.write('application/vnd.in-toto+json', Buffer.from(JSON.stringify(statement)))
  const annotated = { ...layer, annotations: { 'in-toto.io/predicate-type': statement.predicateType } }
  const rootfs = { type: 'layers', diff_ids: [layer.digest] }
  const document = { architecture: 'unknown', os: 'unknown', config: {}, rootfs }
  const config = await layout.write(MEDIA_TYPE.ociConfig, Buffer.from(JSON.stringify(document)))
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [annotated] }
  const written = await layout.write(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest)))
  return {
    ...written,
    annotations: {
      'vnd.docker.reference.digest': subject.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    },
    platform: { architecture: 'unknown', os: 'unknown' },
  }
}

async function listed(name: string, version = '1.52'): Promise<ImageSummary> {
  const { text } = await call(engine.socketPath, `GET /v${version}/images/json?manifests=1`)
  const found = (JSON.parse(text) as ImageSummary[]).find(({ RepoTags }) => RepoTags.includes(name))
  return found ?? assert.fail(`${name} is not listed`)
}

const kinds = (manifests: readonly ManifestSummary[] = []) =>
  manifests.map(({ ID, Kind, Available }) => [ID, Kind, Available])

/** Docker's client colours some of a tree also where no terminal is. */
function plain({ code, stdout, stderr }: CommandResult): CommandResult {
  return { code, stdout: stripVTControlCharacters(stdout), stderr }
}

async function assertBothShow(...args: string[]): Promise<string> {
  const [docker, berth] = [plain(await engine.docker(args)), plain(await engine.berth(args))]
  assert.deepEqual(berth, docker, args.join(' '))
  return docker.stdout
}

test('of what was pulled this machine’s platform is here, and the others are told of', { skip }, async () => {
  await engine.ok('pull', '-q', remote)
  const { Manifests = [] } = await listed(remote)
  assert.deepEqual(kinds(Manifests), [
    [image.amd64.digest, 'image', true],
    [image.arm64.digest, 'image', false],
    ...attestations.map(({ digest }) => [digest, 'attestation', false]),
  ])
  assert.deepEqual(
    Manifests.map(({ AttestationData, ImageData }) => AttestationData?.For ?? ImageData?.Platform.architecture),
    ['amd64', 'arm64', image.amd64.digest, image.arm64.digest],
  )
  assert.deepEqual(
    Manifests.slice(1).map(({ Size }) => Size),
    Array(3).fill({ Content: 0, Total: 0 }),
  )
  const tree = await assertBothShow('images', '--tree')
  assert.match(tree, /linux\/amd64/)
  assert.match(tree, /linux\/arm64/)
  await engine.ok('rmi', remote)
})

test('of what was loaded all is here, with what each part takes and who uses it', { skip }, async () => {
  await engine.ok('load', '-i', archive())
  const id = await engine.ok('create', '--name', 'user', loaded)
  const summary = await listed(loaded)
  const { Manifests = [] } = summary
  assert.deepEqual(kinds(Manifests), [
    [image.amd64.digest, 'image', true],
    [image.arm64.digest, 'image', true],
    ...attestations.map(({ digest }) => [digest, 'attestation', true]),
  ])
  const [own, foreign, proof] = Manifests
  assert.deepEqual(own?.Descriptor, image.amd64)
  assert.deepEqual(own?.ImageData?.Containers, [id])
  assert.equal(foreign?.ImageData?.Containers, null)
  assert.ok((own?.ImageData?.Size.Unpacked ?? 0) > 300_000)
  assert.equal(foreign?.ImageData?.Size.Unpacked, 0)
  // Two layers, the first of which does not compress, a configuration and the manifest itself.
  assert.ok((foreign?.Size.Content ?? 0) > 300_000 + image.arm64.size)
  assert.ok((proof?.Size.Content ?? 0) > (attestations[0]?.size ?? 0))
  for (const { Size, ImageData } of Manifests) assert.equal(Size.Total, Size.Content + (ImageData?.Size.Unpacked ?? 0))
  assert.equal(
    summary.Size,
    Manifests.reduce((sum, { Size }) => sum + Size.Total, 0),
  )
  const plain = await call(engine.socketPath, 'GET /v1.52/images/json')
  const old = await call(engine.socketPath, 'GET /v1.46/images/json?manifests=1')
  for (const { text } of [plain, old])
    assert.ok((JSON.parse(text) as ImageSummary[]).every((each) => each.Manifests === undefined))
  await assertBothShow('images', '--tree')
  await assertBothShow('image', 'ls', '--tree', 'attested')
})

test('inspect tells of the manifests, or of one platform, and not of both', { skip }, async () => {
  const get = (query: string, version = '1.52') =>
    call(engine.socketPath, `GET /v${version}/images/${loaded}/json${query}`)
  const json = async (query: string, version?: string): Promise<unknown> => JSON.parse((await get(query, version)).text)
  const whole = (await json('?manifests=1')) as { Manifests: ManifestSummary[]; Id: string }
  assert.deepEqual(whole.Manifests, (await listed(loaded)).Manifests)
  assert.equal(((await json('?manifests=1', '1.47')) as { Manifests?: object }).Manifests, undefined)
  const arm = encodeURIComponent(JSON.stringify({ os: 'linux', architecture: 'arm64' }))
  const one = (await json(`?platform=${arm}`)) as Record<string, unknown>
  assert.deepEqual([one['Architecture'], one['Descriptor']], ['arm64', image.arm64])
  assert.notEqual(one['Id'], whole.Id)
  assert.equal(((await json(`?platform=${arm}`, '1.48')) as { Architecture: string }).Architecture, 'amd64')
  const both = await get(`?platform=${arm}&manifests=1`)
  assert.equal(both.status, 400)
  assert.match(both.body, /conflicting options: manifests and platform options cannot both be set/)
  assert.match(await assertBothShow('image', 'inspect', '--platform', 'linux/arm64', loaded), /"Architecture": "arm64"/)
  await assertBothShow('image', 'inspect', '--platform', 'linux/s390x', loaded)
})

test('several platforms are saved and loaded, from 1.52 on', { skip }, async () => {
  const [amd, arm, s390x] = ['amd64', 'arm64', 's390x'].map((architecture) =>
    encodeURIComponent(JSON.stringify({ os: 'linux', architecture })),
  )
  const curl = (...args: string[]) => must(['curl', '-s', '--unix-socket', engine.socketPath, ...args])
  const save = async (version: string, query: string) => {
    const path = join(directory, 'several.tar')
    await curl('-o', path, `http://x/v${version}/images/${loaded}/get?${query}`)
    return path
  }
  const old = await must(['cat', await save('1.51', `platform=${amd}&platform=${arm}`)])
  assert.match(old, /multiple platform parameters are not supported in this API version; use API version 1.52 or later/)
  assert.match(await must(['cat', await save('1.52', `platform=${s390x}`)]), /no suitable export target found/)
  const both = await must(['tar', '-tf', await save('1.52', `platform=${amd}&platform=${arm}`)])
  const blobs = (digests: readonly string[]) => digests.map((digest) => both.includes(digest.slice(7)))
  assert.deepEqual(blobs([index.digest, image.amd64.digest, image.arm64.digest]), [true, true, true])
  assert.deepEqual(blobs(attestations.map(({ digest }) => digest)), [false, false])
  const load = (query: string) =>
    curl('-X', 'POST', '-T', join(directory, 'several.tar'), `http://x/v1.52/images/load?quiet=1&${query}`)
  assert.match(await load(`platform=${arm}&platform=${amd}`), /Loaded image: attested:1/)
  const { Manifests = [] } = await listed(loaded)
  const unpacked = Manifests.slice(0, 2).map(({ ImageData }) => (ImageData?.Size.Unpacked ?? 0) > 300_000)
  assert.deepEqual(unpacked, [true, true])
  assert.equal(await engine.ok('image', 'inspect', '-f', '{{.Architecture}}', loaded), 'amd64')
  const lacking = await load(`platform=${s390x}&platform=${s390x}`)
  assert.match(lacking, /doesn't provide the requested platform \(\[linux\/s390x linux\/s390x\]\)/)
})

test('a platform is removed alone: its names stay, and what it shares with none is gone', { skip }, async () => {
  await assertBothShow('rmi', '--platform', 'linux/arm64', loaded)
  await assertBothShow('rmi', '--force', '--platform', 'linux/s390x', loaded)
  const used = await engine.docker(['rmi', '-f', '--platform', 'linux/amd64', loaded])
  assert.match(used.stderr, /image is being used by container [0-9a-f]{12}/)
  await engine.ok('rm', 'user')
  assert.equal(await engine.ok('rmi', '-f', '--platform', 'linux/amd64', loaded), `Deleted: ${image.amd64.digest}`)
  const { Manifests = [] } = await listed(loaded)
  assert.deepEqual(kinds(Manifests).slice(0, 2), [
    [image.amd64.digest, 'image', false],
    [image.arm64.digest, 'image', true],
  ])
  assert.equal(Manifests[0]?.Size.Content, 0)
  assert.equal(await engine.ok('image', 'inspect', '-f', '{{.Architecture}}', loaded), 'arm64')
  const saved = join(directory, 'rest.tar')
  await engine.ok('save', '--platform', 'linux/arm64', '-o', saved, loaded)
  const last = await engine.docker(['rmi', '-f', '--platform', 'linux/arm64', loaded])
  assert.match(last.stderr, /linux\/arm64 is the only platform that is here: remove the image/)
  // What was removed comes back with the next load.
  await engine.ok('load', '-i', archive())
  assert.equal(await engine.ok('image', 'inspect', '-f', '{{.Architecture}}', loaded), 'amd64')
  await engine.ok('rmi', loaded)
})
