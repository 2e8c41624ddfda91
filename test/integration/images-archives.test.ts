// save and load beside the original dockerd, skopeo and podman: in both directions the same images, digest for digest.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { must, run } from '../harness/command.ts'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { makeImageArchive } from '../harness/image-archive.ts'
import { pushBusybox } from '../harness/images.ts'
import { BIN } from '../harness/root.ts'

let pair: EnginePair
let directory: string
let archive: string

before(async () => {
  const started = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'team/app:1', { Labels: { of: 'the image' }, Env: ['A=b'] })
    return `${registry.host}/team/app:1`
  })
  assert.ok(started, 'a dockerd is installed')
  pair = started
  directory = join(pair.ours.directory, 'archives')
  await mkdir(directory)
  await makeImageArchive(directory, 'two/layers:1')
  archive = join(directory, 'image.tar')
})

after(() => pair?.[Symbol.asyncDispose]())

const ours = (...args: string[]) => pair.ours.ok(...args)
const theirs = (...args: string[]) => must(['docker', '-H', `unix://${pair.theirs.socketPath}`, ...args])
const idOf = async (docker: typeof ours, name: string) => docker('image', 'inspect', '-f', '{{.Id}}', name)
const file = (name: string) => join(directory, name)
const documentIn = async (path: string, name: string) => JSON.parse(await must(['tar', '-xOf', path, name])) as unknown

describe('with the original dockerd', () => {
  test('what one saves the other loads, as the same image, which runs', async () => {
    const id = await idOf(ours, 'pair')
    await ours('save', '-o', file('ours.tar'), 'pair')
    await theirs('rmi', '-f', id)
    assert.equal(await theirs('load', '-q', '-i', file('ours.tar')), 'Loaded image: pair:latest')
    assert.equal(await idOf(theirs, 'pair'), id)
    await theirs('save', '-o', file('theirs.tar'), 'pair')
    await ours('rmi', '-f', id)
    assert.equal(await ours('load', '-q', '-i', file('theirs.tar')), 'Loaded image: pair:latest')
    assert.equal(await idOf(ours, 'pair'), id)
    assert.equal(await ours('run', '--rm', '--network', 'none', 'pair', 'sh', '-c', 'echo $A'), 'b')
    const layers = ['image', 'inspect', '-f', '{{.RootFS.Layers}} {{.Config.Labels}} {{.Created}}', 'pair']
    assert.equal(await ours(...layers), await theirs(...layers))
  })

  test('what is printed is the same, with a name, without, and with one that another image has', async () => {
    const script = `docker load -i ${archive}; docker tag two/layers:1 again:2; docker tag pair two/layers:1; docker load -q -i ${archive}
      docker save two/layers:1 again | docker load; docker save $(docker images -q two/layers) | docker load
      docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort; docker rmi again:2 two/layers:1 > /dev/null`
    await pair.assertSame(script, { expect: /The image two\/layers:1 already exists, renaming the old one/ })
  })

  test('what is not there, or no archive, is refused in the same words', async () => {
    await pair.assertSame('docker save no-such; docker save no-such:1; docker save pair no-such:2', {
      expect: /No such image: no-such|does not exist/,
    })
    await pair.assertSame('docker save pair:no-such; docker save sha256:0123456789ab >/dev/null', { expect: /No such/ })
  })

  test('an archive is taken however it is compressed', async () => {
    for (const [program, ...args] of [['gzip'], ['bzip2'], ['xz', '-0'], ['zstd', '-q']] as [string, ...string[]][]) {
      const packed = file(`image.tar.${program}`)
      await must(['sh', '-c', `"$@" -c < ${archive} > ${packed}`, 'sh', program, ...args])
      assert.equal(await ours('load', '-i', packed), 'Loaded image: two/layers:1', program)
      await ours('rmi', 'two/layers:1')
    }
  })

  test('events tell of both, by the image', async () => {
    const since = String(Date.now() / 1000)
    const id = await idOf(ours, 'pair')
    await ours('save', '-o', file('events.tar'), 'pair')
    await ours('load', '-i', file('events.tar'))
    const until = String(Date.now() / 1000 + 0.05)
    const format = '{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.Actor.Attributes.of}}'
    const told = await ours('events', '--since', since, '--until', until, '--format', format)
    assert.deepEqual(
      told.split('\n'),
      ['save', 'load'].map((action) => `image ${action} ${id} ${id} the image`),
    )
  })
})

describe('the archive', () => {
  test('holds an OCI layout and Docker’s list, with the names that were asked for', async () => {
    const id = await idOf(ours, 'pair')
    await ours('tag', 'pair', 'example.com:5000/a/b:2')
    await ours('save', '-o', file('named.tar'), 'pair', 'example.com:5000/a/b:2')
    const [image] = (await documentIn(file('named.tar'), 'manifest.json')) as { RepoTags: string[]; Config: string }[]
    assert.deepEqual(image?.RepoTags.sort(), ['example.com:5000/a/b:2', 'pair:latest'])
    assert.equal(image?.Config, `blobs/sha256/${id.slice('sha256:'.length)}`)
    assert.deepEqual(await documentIn(file('named.tar'), 'oci-layout'), { imageLayoutVersion: '1.0.0' })
    const { manifests } = (await documentIn(file('named.tar'), 'index.json')) as {
      manifests: { annotations: Record<string, string>; digest: string }[]
    }
    assert.deepEqual(
      manifests.map(({ annotations }) => annotations['io.containerd.image.name']),
      ['docker.io/library/pair:latest', 'example.com:5000/a/b:2'],
    )
    assert.equal((await must(['stat', '-c', '%a', file('named.tar')])).trim(), '600')
    await ours('rmi', 'example.com:5000/a/b:2')
    await ours('save', '-o', file('bare.tar'), id)
    const [bare] = (await documentIn(file('bare.tar'), 'manifest.json')) as { RepoTags: null }[]
    assert.equal(bare?.RepoTags, null)
  })

  test('is the same for both clients, and loads with both', async () => {
    const berth = async (...args: string[]) => {
      const result = await pair.ours.berth(args)
      assert.equal(result.code, 0, result.stderr)
      return result.stdout
    }
    await ours('save', '-o', file('docker.tar'), 'pair')
    await berth('save', '-o', file('berth.tar'), 'pair')
    await must(['sh', '-c', `${BIN}/berth save pair > ${file('berth.stdout.tar')}`], {
      env: { DOCKER_HOST: pair.ours.host },
    })
    await must(['cmp', file('docker.tar'), file('berth.tar')])
    await must(['cmp', file('docker.tar'), file('berth.stdout.tar')])
    assert.equal(await berth('load', '-i', file('berth.tar')), 'Loaded image: pair:latest\n')
    const input = await must(['sh', '-c', `cat ${file('berth.tar')} | ${BIN}/berth image load -q`], {
      env: { DOCKER_HOST: pair.ours.host },
    })
    assert.equal(input.trim(), 'Loaded image: pair:latest')
  })
})

describe('with other programs', () => {
  const skopeo = (...args: string[]) => must(['skopeo', '--insecure-policy', ...args])
  const source = () => `docker://${pair.registry.host}/team/app:1`

  test('skopeo reads what is saved, in either format, and what it writes is loaded', async () => {
    const name = `${pair.registry.host}/team/app:1`
    await ours('pull', '-q', name)
    const id = await idOf(ours, name)
    const digest = (await skopeo('inspect', '--tls-verify=false', '-f', '{{.Digest}}', source())).trim()
    await ours('save', '-o', file('for-skopeo.tar'), name)
    assert.equal((await skopeo('inspect', '-f', '{{.Digest}}', `oci-archive:${file('for-skopeo.tar')}`)).trim(), digest)
    await skopeo('copy', '-q', `docker-archive:${file('for-skopeo.tar')}:${name}`, `dir:${file('from-docker-archive')}`)
    const config = await must(['sha256sum', join(file('from-docker-archive'), id.slice('sha256:'.length))])
    assert.equal(`sha256:${config.slice(0, 64)}`, id)
    for (const format of ['docker-archive', 'oci-archive']) {
      const path = file(`${format}.tar`)
      await skopeo('copy', '-q', '--src-tls-verify=false', source(), `${format}:${path}:by/skopeo:${format}`)
      assert.equal(await ours('load', '-i', path), `Loaded image: by/skopeo:${format}`)
      assert.equal(await idOf(ours, `by/skopeo:${format}`), id, format)
      await ours('run', '--rm', '--network', 'none', `by/skopeo:${format}`, 'true')
      await ours('rmi', `by/skopeo:${format}`)
    }
  })

  test('podman loads what is saved, and what it saves is loaded', async () => {
    const id = await idOf(ours, 'pair')
    const layers = await ours('image', 'inspect', '-f', '{{.RootFS.Layers}}', 'pair')
    const roots = ['--root', file('podman'), '--runroot', file('podman-run'), '--storage-driver', 'vfs']
    const podman = (...args: string[]) => must(['podman', ...roots, ...args])
    try {
      await ours('save', '-o', file('for-podman.tar'), 'pair')
      await podman('load', '-q', '-i', file('for-podman.tar'))
      assert.equal(`sha256:${(await podman('images', '-q', '--no-trunc', 'pair')).trim().replace('sha256:', '')}`, id)
      for (const format of ['docker-archive', 'oci-archive']) {
        const path = file(`podman-${format}.tar`)
        await podman('save', '-q', '--format', format, '-o', path, 'pair')
        await ours('rmi', '-f', await idOf(ours, 'pair'))
        assert.match(await ours('load', '-i', path), /^Loaded image: .*pair:latest$/)
        const [loaded] = (await ours('images', '--format', '{{.Repository}}:{{.Tag}}')).split('\n')
        // For OCI's format podman writes the configuration anew.
        if (format === 'docker-archive') assert.equal(await idOf(ours, loaded ?? ''), id)
        assert.equal(await ours('image', 'inspect', '-f', '{{.RootFS.Layers}}', loaded ?? ''), layers)
        await ours('tag', loaded ?? '', 'pair')
      }
    } finally {
      await run(['umount', '-l', file('podman/vfs')]) // podman mounts its storage upon itself
    }
  })
})

test('an archive that cannot be one is refused in the stream, and nothing of it stays', async () => {
  const blobs = () => must(['sh', '-c', `ls ${pair.ours.directory}/data/containerd/content/blobs/sha256 | sort`])
  const before = await blobs()
  const cases: [content: string, message: RegExp][] = [
    ['', /unrecognized image format/],
    ['no archive at all', /unrecognized image format|unexpected EOF|invalid tar header/],
    ['x'.repeat(100_000), /invalid tar header|unrecognized image format/],
  ]
  for (const [content, message] of cases) {
    await writeFile(file('bad.tar'), content)
    const { code, stderr } = await pair.ours.docker(['load', '-i', file('bad.tar')])
    assert.equal(code, 1)
    assert.match(stderr, message)
  }
  await must(['sh', '-c', `head -c 1000000 ${archive} > ${file('cut.tar')}`])
  const cut = await pair.ours.docker(['load', '-i', file('cut.tar')])
  assert.match(cut.stderr, /unexpected EOF/)
  assert.equal(await blobs(), before)
  const api = ['curl', '-s', '--unix-socket', pair.ours.socketPath, '-w', '%{http_code}', '--data-binary', '@-']
  const { stdout } = await run([...api, 'http://x/v1.41/images/load'], { input: 'no archive' })
  assert.match(stdout, /^\{"errorDetail":\{"message":".+"\},"error":".+"\}\r\n200$/)
})
