// Loads that do not end as they should: killed engines, clients that go away, archives of several platforms, large and hostile ones.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { imageFile } from '../../src/image/make-image.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { tarOf } from '../harness/fake-registry.ts'
import { makeImageArchive } from '../harness/image-archive.ts'
import { type PlatformImage, writePlatformImage } from '../harness/platform-image.ts'

let engine: TestEngine
let directory: string

before(async () => {
  engine = await startEngine()
  directory = join(engine.directory, 'archives')
  await mkdir(directory)
  await makeImageArchive(directory, 'half:1')
})

after(() => engine?.[Symbol.asyncDispose]())

const content = (folder: string) => {
  try {
    return readdirSync(join(engine.directory, 'data/containerd/content', folder))
  } catch {
    return [] // the directory comes with the first blob
  }
}
const isEmpty = () => content('ingest').length === 0 && content('blobs/sha256').length === 0

describe('half an archive', () => {
  /** A load that has had the first layer and waits for more. */
  async function startHalf() {
    const size = Number((await must(['stat', '-c', '%s', join(directory, 'image.tar')])).trim())
    const script = `{ head -c ${Math.floor(size / 2)} ${join(directory, 'image.tar')}; sleep 1000; } | docker load`
    const child = spawn('setsid', ['sh', '-c', script], {
      env: { ...process.env, DOCKER_HOST: engine.host },
      stdio: 'ignore',
    })
    await eventually(
      'something has arrived',
      30_000,
      () => content('ingest').length > 0 || content('blobs/sha256').length > 0,
    )
    const stop = async () => {
      const gone = once(child, 'exit')
      process.kill(-child.pid!, 'SIGKILL')
      await gone
    }
    return stop
  }

  test('of a client that goes away leaves nothing', async () => {
    const stop = await startHalf()
    await stop()
    await eventually('nothing is left', 30_000, isEmpty)
    assert.equal(await engine.ok('images', '-q'), '')
  })

  test('that an engine was killed over leaves nothing once it is back', async () => {
    const stop = await startHalf()
    await engine.killEngine()
    await stop()
    await engine.start()
    await eventually('nothing is left', 60_000, isEmpty)
    assert.equal(await engine.ok('images', '-q'), '')
    await engine.ok('load', '-i', join(directory, 'image.tar'))
    await engine.ok('rmi', 'half:1')
    await eventually('nothing is left', 30_000, isEmpty)
  })
})

test('an engine that is killed at its answer has the image, and holds nothing when that goes', async () => {
  await engine.ok('load', '-i', join(directory, 'image.tar'))
  await engine.killEngine()
  await engine.start()
  assert.match(await engine.ok('images', '--format', '{{.Repository}}:{{.Tag}}'), /^half:1$/m)
  await engine.ok('rmi', 'half:1')
  await eventually('nothing is left', 60_000, isEmpty)
})

describe('an archive of several platforms', () => {
  let image: PlatformImage
  let archive: string
  const name = 'platforms:1'

  before(async () => {
    image = await writePlatformImage(join(directory, 'layout'))
    archive = join(directory, 'platforms.tar')
    const source = `oci:${join(directory, 'layout')}:image`
    await must(['skopeo', '--insecure-policy', 'copy', '-q', '--all', source, `oci-archive:${archive}:${name}`])
  })

  const manifestsIn = async (path: string) =>
    (JSON.parse(await must(['tar', '-xOf', path, 'index.json'])) as { manifests: { digest: string }[] }).manifests.map(
      ({ digest }) => digest,
    )

  test('is loaded whole, this machine’s is what the name means, and it is saved whole', async () => {
    assert.equal(await engine.ok('load', '-i', archive), `Loaded image: ${name}`)
    const [own] = process.arch === 'arm64' ? ['arm64'] : ['amd64']
    assert.equal(await engine.ok('image', 'inspect', '-f', '{{.Architecture}}', name), own)
    const saved = join(directory, 'whole.tar')
    await engine.ok('save', '-o', saved, name)
    assert.deepEqual(await manifestsIn(saved), [image.index.digest])
    const listed = await must(['tar', '-tf', saved])
    for (const { digest } of [image.index, image.amd64, image.arm64]) assert.ok(listed.includes(digest.slice(7)))
  })

  test('one platform is saved alone, and one that is not there not at all', async () => {
    const saved = join(directory, 'one.tar')
    await engine.ok('save', '--platform', 'linux/arm64', '-o', saved, name)
    assert.deepEqual(await manifestsIn(saved), [image.arm64.digest])
    assert.ok(!(await must(['tar', '-tf', saved])).includes(image.amd64.digest.slice(7)))
    const lacking = await engine.docker(['save', '--platform', 'linux/s390x', '-o', saved, name])
    assert.match(
      lacking.stderr,
      /no suitable export target found: image with reference .*platforms:1 was found but does not provide/,
    )
    const berth = await engine.berth(['save', '--platform', 'linux/s390x', '-o', saved, name])
    assert.deepEqual(berth, lacking)
    const bad = ['save', '--platform', 'a/b/c/d', '-o', saved, name]
    assert.deepEqual(await engine.berth(bad), await engine.docker(bad))
  })

  test('of one that is loaded the platform asked for is what the name means', async () => {
    await engine.ok('rmi', name)
    assert.equal(await engine.ok('load', '--platform', 'linux/arm64', '-i', archive), `Loaded image: ${name}`)
    assert.equal(await engine.ok('image', 'inspect', '-f', '{{.Architecture}}', name), 'arm64')
    assert.equal(
      await engine.ok('history', '--platform', 'linux/amd64', '-q', '--no-trunc', name).then((text) => text.length > 0),
      true,
    )
    const lacking = await engine.docker(['load', '--platform', 'linux/s390x', '-i', archive])
    assert.equal(lacking.code, 1)
    assert.match(
      lacking.stderr,
      /image platforms:1 was loaded, but doesn't provide the requested platform \(linux\/s390x\)/,
    )
    await engine.ok('rmi', name)
  })
})

test('a large archive passes through: the engine does not hold it', async () => {
  const large = join(directory, 'large')
  await must([
    ...['sh', '-c'],
    `mkdir ${large} && cd ${large} && truncate -s 400M zeros && tar -cf layer.tar zeros && rm zeros &&
     printf '{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $(sha256sum layer.tar | cut -c1-64) > config.json &&
     printf '[{"Config":"config.json","RepoTags":["large:1"],"Layers":["layer.tar"]}]' > manifest.json && tar -cf ../large.tar manifest.json config.json layer.tar && rm -r ${large}`,
  ])
  const peakMiB = () =>
    Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${engine.enginePid()}/status`, 'utf8'))?.[1]) / 1024
  await writeFile(`/proc/${engine.enginePid()}/clear_refs`, '5')
  const before = peakMiB()
  await must(['docker', 'load', '-i', join(directory, 'large.tar')], {
    env: { DOCKER_HOST: engine.host },
    timeoutMs: 300_000,
  })
  await must(['sh', '-c', 'docker save large:1 | wc -c'], { env: { DOCKER_HOST: engine.host }, timeoutMs: 300_000 })
  assert.ok(peakMiB() - before < 200, `${before} MiB became ${peakMiB()} MiB`)
  await engine.ok('rmi', 'large:1')
})

describe('a hostile archive', () => {
  const config = (layer: Buffer) =>
    JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } })
  const listed = (fields: object) => imageFile('manifest.json', { content: JSON.stringify([fields]) })

  const CASES: [what: string, files: () => Promise<Parameters<typeof tarOf>[0]>, message: RegExp][] = [
    [
      'whose configuration lies about its layer',
      async () => [
        imageFile('c', { content: config(Buffer.from('another')) }),
        imageFile('l', { content: await tarOf([imageFile('f')]) }),
        listed({ Config: 'c', Layers: ['l'], RepoTags: ['bad:1'] }),
      ],
      /wrong diff id/,
    ],
    [
      'with more layers than its configuration',
      async () => {
        const layer = await tarOf([imageFile('f')])
        const files = [imageFile('c', { content: config(layer) }), imageFile('l', { content: layer })]
        return [...files, listed({ Config: 'c', Layers: ['l', 'l'], RepoTags: ['bad:1'] })]
      },
      /2 layers in the manifest, 1 in the configuration/,
    ],
    [
      'whose layer is no archive',
      async () => {
        const layer = Buffer.from('x'.repeat(2000))
        const files = [imageFile('c', { content: config(layer) }), imageFile('l', { content: layer })]
        return [...files, listed({ Config: 'c', Layers: ['l'], RepoTags: ['bad:1'] })]
      },
      /invalid tar header/,
    ],
    [
      'that reaches for a file of the machine',
      async () => [listed({ Config: '../../../../etc/passwd', Layers: [], RepoTags: ['bad:1'] })],
      /image config ".*passwd" not found/,
    ],
    [
      'with a name that is none',
      async () => [
        imageFile('c', { content: config(Buffer.alloc(0)) }),
        listed({ Config: 'c', Layers: [], RepoTags: ['Bad Name:1'] }),
      ],
      /invalid reference format/,
    ],
    [
      'whose index lists what is not in it',
      async () => [
        imageFile('oci-layout', { content: '{"imageLayoutVersion":"1.0.0"}' }),
        imageFile('index.json', {
          content: JSON.stringify({
            schemaVersion: 2,
            manifests: [
              {
                mediaType: 'application/vnd.oci.image.manifest.v1+json',
                digest: `sha256:${'0'.repeat(64)}`,
                size: 2,
              },
            ],
          }),
        }),
      ],
      /content digest sha256:0+: not found/,
    ],
  ]
  for (const [what, files, message] of CASES)
    test(what, async () => {
      await writeFile(join(directory, 'bad.tar'), await tarOf(await files()))
      const { code, stderr } = await engine.docker(['load', '-i', join(directory, 'bad.tar')])
      assert.equal(code, 1)
      assert.match(stderr, message)
      assert.equal(await engine.ok('images', '-aq'), '')
      await eventually('nothing is left', 30_000, isEmpty)
    })
})
