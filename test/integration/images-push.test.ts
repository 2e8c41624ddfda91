// Pushes to Debian's registry: what dockerd pulls from there is the same image; words, marks and aux as Docker's clients want them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { eventually, must, run } from '../harness/command.ts'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { makeImageArchive } from '../harness/image-archive.ts'
import { pushBusybox } from '../harness/images.ts'
import { ctrOf } from '../harness/leavings.ts'
import { writePlatformImage } from '../harness/platform-image.ts'
import { startRegistry } from '../harness/registry.ts'

let pair: EnginePair
let host: string
let directory: string

before(async () => {
  const started = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'team/app:1', { Labels: { of: 'the image' } })
    return `${registry.host}/team/app:1`
  })
  assert.ok(started, 'a dockerd is installed')
  pair = started
  host = pair.registry.host
  directory = join(pair.ours.directory, 'push')
  await mkdir(directory)
  await makeImageArchive(directory, 'two/layers:1')
  await ours('load', '-i', join(directory, 'image.tar'))
})

after(() => pair?.[Symbol.asyncDispose]())

const ours = (...args: string[]) => pair.ours.ok(...args)
const theirs = (...args: string[]) => must(['docker', '-H', `unix://${pair.theirs.socketPath}`, ...args])
const idOf = async (docker: typeof ours, name: string) => docker('image', 'inspect', '-f', '{{.Id}}', name)
const digestOf = async (name: string, ...more: string[]) =>
  (await must(['skopeo', 'inspect', '--tls-verify=false', ...more, '-f', '{{.Digest}}', `docker://${name}`])).trim()

interface Line {
  status?: string
  id?: string
  aux?: Record<string, unknown>
  error?: string
}

/** As the API sends it. */
async function pushed(name: string, query = ''): Promise<Line[]> {
  const url = `http://x/v1.47/images/${name}/push?${query}`
  const output = await must(['curl', '-s', '--unix-socket', pair.ours.socketPath, '-X', 'POST', url])
  return output.split('\r\n').flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line) as Line]))
}

test('what is pushed is pulled by dockerd as the same image, and pushed again it is there already', async () => {
  const name = `${host}/copy/layers:1`
  await ours('tag', 'two/layers:1', name)
  const output = await ours('push', name)
  assert.match(
    output,
    new RegExp(`^The push refers to repository \\[${host}/copy/layers\\]\n[0-9a-f]{12}: Preparing\n`),
  )
  const [, digest, size] = /\n1: digest: (sha256:[0-9a-f]{64}) size: (\d+)$/.exec(output) ?? []
  assert.equal(await digestOf(name), digest)
  assert.ok(Number(size) > 100)
  const [top, bottom] = (
    await ours('image', 'inspect', '-f', '{{index .RootFS.Layers 1}} {{index .RootFS.Layers 0}}', name)
  )
    .split(' ')
    .map((layer) => layer.slice(7, 19))
  for (const layer of [top, bottom]) assert.match(output, new RegExp(`\n${layer}: Pushed\n`))
  await theirs('pull', '-q', name)
  assert.equal(await idOf(theirs, name), await idOf(ours, name))
  assert.deepEqual(JSON.parse(await ours('image', 'inspect', '-f', '{{json .RepoDigests}}', name)).sort(), [
    `${host}/copy/layers@${digest}`,
    `two/layers@${digest}`,
  ])
  const again = await pushed(`${host}/copy/layers`, 'tag=1')
  assert.deepEqual(
    again.map(({ status, id }) => [id, status]),
    [
      [undefined, `The push refers to repository [${host}/copy/layers]`],
      [top, 'Preparing'],
      [bottom, 'Preparing'],
      [top, 'Layer already exists'],
      [bottom, 'Layer already exists'],
      [undefined, `1: digest: ${digest} size: ${size}`],
      [undefined, undefined],
    ],
  )
  assert.deepEqual(again.at(-1)?.aux, { Tag: '1', Digest: digest, Size: Number(size) })
})

test('layers that another repository of the registry has are taken from there', async () => {
  const name = `${host}/other/app:2`
  await ours('tag', 'pair', name)
  const output = await ours('push', name)
  assert.match(output, /: Mounted from team\/app\n/)
  assert.equal(await digestOf(name), await digestOf(`${host}/team/app:1`))
})

test('all tags of a repository, and nothing where there is none', async () => {
  for (const tag of ['a', 'b', 'c']) await ours('tag', 'two/layers:1', `${host}/many:${tag}`)
  const output = await ours('push', '-a', `${host}/many`)
  assert.deepEqual(
    [...output.matchAll(/^([abc]): digest: /gm)].map(([, tag]) => tag),
    ['a', 'b', 'c'],
  )
  await ours('tag', 'two/layers:1', `${host}/quiet`)
  assert.equal(await ours('push', '-q', `${host}/quiet`), `${host}/quiet:latest`)
})

test('what cannot be pushed is told in the words of the original', async () => {
  await pair.assertSame(
    `docker tag pair ${host}/pair:1; docker push ${host}/pair:2; docker push ${host}/nothing; docker push -a ${host}/nothing:1; docker push ${host}/pair@sha256:${'0'.repeat(64)}; docker push BAD; docker tag pair 127.0.0.1:1/x; docker push 127.0.0.1:1/x`,
    {
      expect: /tag does not exist: .*\n/,
    },
  )
  const api = `curl -s --unix-socket \${DOCKER_HOST#unix://} -H 'X-Registry-Auth: e30=' -w '%{http_code}\n' -X POST http://x/v1.41/images`
  await pair.assertSame(`${api}/${host}/nothing/push; ${api}/${host}/pair/push?tag=2`, {
    expect: /An image does not exist locally with the tag: /,
  })
})

test('a registry that wants a password is told one, or says so', async () => {
  const file = join(directory, 'htpasswd')
  // bcrypt of `secret`, as `htpasswd -B` writes it.
  writeFileSync(file, 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n')
  await using locked = await startRegistry(join(directory, 'locked'), { htpasswd: file })
  const name = `${locked.host}/mine:1`
  await pair.assertSame(`docker tag pair ${name}; docker push ${name} | grep -v Preparing`, {
    expect: /no basic auth credentials/,
  })
  await pair.assertSame(
    `echo secret | docker login -u me --password-stdin ${locked.host} 2>/dev/null; docker push -q ${name}`,
    { expect: /\/mine:1/ },
  )
  assert.match(await digestOf(name, '--creds', 'me:secret'), /^sha256:/)
  const berth = await pair.ours.berth(['push', name], { env: { DOCKER_CONFIG: join(pair.ours.directory, 'side') } })
  assert.equal(berth.code, 0, berth.stderr)
})

/** Layers end in no order. */
const sorted = (text: string) => text.split('\n').sort()

test('both clients show the same', async () => {
  const name = `${host}/shown:1`
  await ours('tag', 'two/layers:1', name)
  await ours('push', name)
  for (const args of [
    [name],
    ['-q', name],
    ['-a', `${host}/shown`],
    [`${host}/shown:9`],
    ['-a', name],
    [`${host}/shown`],
  ]) {
    const [docker, berth] = [await pair.ours.docker(['push', ...args]), await pair.ours.berth(['push', ...args])]
    assert.deepEqual(
      { ...berth, stdout: sorted(berth.stdout) },
      { ...docker, stdout: sorted(docker.stdout) },
      args.join(' '),
    )
  }
})

test('an index is pushed whole where all of it is here; else the platform that is, and the client is told', async () => {
  const image = await writePlatformImage(join(directory, 'layout'))
  const name = `${host}/platforms:1`
  const archive = join(directory, 'platforms.tar')
  await must([
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    '--all',
    `oci:${directory}/layout:image`,
    `oci-archive:${archive}:${name}`,
  ])
  assert.equal(await ours('load', '-i', archive), `Loaded image: ${name}`)
  assert.match(await ours('push', name), new RegExp(`\n1: digest: ${image.index.digest} size: ${image.index.size}$`))
  assert.equal(
    await must(['skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${name}`]),
    await must(['cat', join(directory, 'layout/blobs/sha256', image.index.digest.slice(7))]),
  )
  const one = await ours('push', '--platform', 'linux/arm64', name)
  assert.match(one, /Info -> Using --platform pushes only the specified platform manifest/)
  assert.match(one, new RegExp(`\n1: digest: ${image.arm64.digest} size: ${image.arm64.size}$`))
  const lacking = await pair.ours.docker(['push', '--platform', 'linux/s390x', name])
  assert.match(
    lacking.stderr,
    /image with reference .*platforms:1 was found but does not provide the specified platform \(linux\/s390x\)/,
  )

  await ours('rmi', name)
  const foreign = (process.arch === 'arm64' ? image.amd64 : image.arm64).digest.slice('sha256:'.length)
  await eventually(
    'the other platform is collected',
    30_000,
    () => !existsSync(`${pair.ours.directory}/data/containerd/content/blobs/sha256/${foreign}`),
  )
  await must([
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    '--all',
    '--dest-tls-verify=false',
    `oci:${directory}/layout:image`,
    `docker://${name}`,
  ])
  await ours('pull', '-q', name)
  const partial = await pair.ours.berth(['push', name])
  assert.match(
    partial.stdout,
    /Info -> Not all multiplatform-content is present and only the available single-platform image was pushed/,
  )
  const again = await pair.ours.docker(['push', name])
  assert.deepEqual(sorted(again.stdout), sorted(partial.stdout.replaceAll(/: Pushed\n/g, ': Layer already exists\n')))
  assert.equal(await digestOf(name), process.arch === 'arm64' ? image.arm64.digest : image.amd64.digest)
})

test('an event tells of it, by the name', async () => {
  const since = String(Date.now() / 1000)
  await ours('tag', 'pair', `${host}/told:1`)
  await ours('push', '-q', `${host}/told:1`)
  const until = String(Date.now() / 1000 + 0.05)
  const format = '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.Actor.Attributes.of}}'
  const told = await ours('events', '--since', since, '--until', until, '--filter', 'event=push', '--format', format)
  assert.equal(told, `push ${host}/told:1 ${host}/told the image`)
})

test('a client that goes away ends the push', async () => {
  await must([
    'sh',
    '-c',
    `cd ${directory} && mkdir -p big && head -c 150000000 /dev/urandom > big/file && tar -cf big.tar -C big .`,
  ])
  await ours('import', join(directory, 'big.tar'), `${host}/big:1`)
  const cut = await run(['timeout', '0.5', 'docker', '-H', pair.ours.host, 'push', `${host}/big:1`])
  assert.equal(cut.code, 124, 'it was cut off, not finished')
  assert.match(await ours('push', `${host}/big:1`), /\n1: digest: sha256:/)
})

const isLarge = (blob: string, sizeBytes: number) =>
  statSync(join(pair.ours.directory, 'data/containerd/content/blobs/sha256', blob)).size > sizeBytes
const content = (folder: string) => readdirSync(join(pair.ours.directory, 'data/containerd/content', folder))
const layersOf = async (name: string) => {
  const manifest = JSON.parse(await must(['skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${name}`])) as {
    layers: { mediaType: string; digest: string; size: number }[]
  }
  return manifest.layers
}
const digestIn = (output: string) => /digest: (sha256:[0-9a-f]{64})/.exec(output)?.[1]

/** An image of `two/layers:1` and one file, committed under all of the names. */
async function commit(container: string, file: string, ...names: [string, ...string[]]): Promise<void> {
  await ours('create', '--name', container, '--net', 'none', 'two/layers:1', '/x')
  await ours('cp', file, `${container}:/written`)
  await ours('commit', container, names[0])
  for (const name of names.slice(1)) await ours('tag', names[0], name)
  await ours('rm', container)
}

test('a committed layer is plain until its first push, which compresses it once and for all of its tags', async () => {
  const name = `${host}/committed/app:1`
  await ours('create', '--name', 'writer', '--net', 'none', 'two/layers:1', '/x')
  const file = join(directory, 'written')
  writeFileSync(file, 'much of the same '.repeat(100_000))
  await ours('cp', file, 'writer:/written')
  await ours('commit', 'writer', name)
  await ours('tag', name, `${host}/committed/other:1`)
  const id = await idOf(ours, name)
  const typesOf = async (archive: string) => {
    const [{ Layers: layers }] = JSON.parse(await must(['tar', '-xOf', archive, 'manifest.json'])) as [
      { Layers: string[] },
    ]
    const kinds = layers.map((layer) => must(['sh', '-c', `tar -xOf ${archive} ${layer} | head -c 2 | od -An -tx1`]))
    return (await Promise.all(kinds)).map((kind) => (kind.includes('1f 8b') ? 'gzip' : 'tar'))
  }
  const saved = join(directory, 'committed.tar')
  await ours('save', '-o', saved, name)
  assert.equal((await typesOf(saved)).at(-1), 'tar')
  await theirs('load', '-i', saved)
  assert.equal(await idOf(theirs, name), id)
  await theirs('rmi', name)
  await must([
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    `docker-archive:${saved}`,
    `dir:${join(directory, 'copied')}`,
  ])

  const podman = ['podman', '--root', join(directory, 'podman'), '--runroot', join(directory, 'podman-run')]
  await must([...podman, '--storage-driver', 'vfs', 'load', '-q', '-i', saved])
  assert.equal(await must([...podman, '--storage-driver', 'vfs', 'images', '-q', '--no-trunc', name]), id)
  const unlike = `${host}/committed/plain:1`
  await must([...ctrOf(pair.ours), 'images', 'push', '--plain-http', unlike, name])
  assert.match((await layersOf(unlike)).at(-1)?.mediaType ?? '', /tar$/)
  await theirs('pull', '-q', unlike)
  assert.equal(await idOf(theirs, unlike), id)

  const told = async () => {
    const [{ RepoDigests: _digests, Descriptor: _descriptor, ...image }] = JSON.parse(
      await ours('image', 'inspect', name),
    ) as [Record<string, unknown>]
    return [image, await ours('history', '--no-trunc', '--human=false', name)]
  }
  const unpushed = await told()
  const digest = digestIn(await ours('push', name))
  assert.deepEqual(await told(), unpushed)
  const top = (await layersOf(name)).at(-1)
  assert.match(top?.mediaType ?? '', /tar[.+]gzip$/)
  assert.ok((top?.size ?? Infinity) < 100_000, `${top?.size} bytes`)
  const again = await ours('push', name)
  assert.equal(digestIn(again), digest)
  assert.equal(again.match(/: Layer already exists/g)?.length, (await layersOf(name)).length)
  assert.equal(digestIn(await ours('push', `${host}/committed/other:1`)), digest)
  assert.equal(await idOf(ours, name), id)
  const digests = JSON.parse(await ours('image', 'inspect', '-f', '{{json .RepoDigests}}', name)) as string[]
  assert.deepEqual(digests.sort(), [`${host}/committed/app@${digest}`, `${host}/committed/other@${digest}`])
  await ours('save', '-o', saved, name)
  assert.equal((await typesOf(saved)).at(-1), 'gzip')
  assert.equal(await ours('images', '-q', '-f', 'dangling=true'), '')
  await theirs('pull', '-q', name)
  assert.equal(await idOf(theirs, name), id)

  // One on top of it takes what is packed already.
  await ours('create', '--name', 'higher', '--net', 'none', name, '/x')
  await ours('cp', file, 'higher:/higher')
  await ours('commit', 'higher', `${host}/committed/app:2`)
  const lines = await pushed(`${host}/committed/app`, 'tag=2')
  assert.equal(lines.filter(({ status }) => status === 'Pushed').length, 1)
  await ours('rm', 'writer', 'higher')
})

test('several committed layers are compressed at once, in their order and each into the bytes that it makes alone', async () => {
  const COUNT = 5
  const nameOf = (count: number) => (count === 0 ? 'two/layers:1' : `${host}/committed/layers:${count}`)
  const name = nameOf(COUNT)
  for (let at = 0; at < COUNT; at++) {
    const file = join(directory, 'of-several')
    writeFileSync(file, randomBytes(50_000 * (COUNT - at)).toString('hex')) // the first one takes longest
    await ours('create', '--name', 'several', '--net', 'none', nameOf(at), '/x')
    await ours('cp', file, `several:/written-${at}`)
    await ours('commit', 'several', nameOf(at + 1))
    await ours('rm', 'several')
  }
  const id = await idOf(ours, name)
  const diffIds = JSON.parse(await ours('image', 'inspect', '-f', '{{json .RootFS.Layers}}', name)) as string[]
  await ours('push', '-q', name)
  const copied = join(directory, 'several')
  await must([
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${name}`,
    `dir:${copied}`,
  ])
  const layers = (await layersOf(name)).slice(-COUNT)
  for (const [at, { digest }] of layers.entries()) {
    const packed = readFileSync(join(copied, digest.replace('sha256:', '')))
    const plain = gunzipSync(packed)
    assert.equal(`sha256:${createHash('sha256').update(plain).digest('hex')}`, diffIds.slice(-COUNT)[at])
    assert.ok(gzipSync(plain).equals(packed))
  }
  await theirs('pull', '-q', name)
  assert.equal(await idOf(theirs, name), id)
})

test('all tags of a committed image, one after the other and at once, are one image in the registry', async () => {
  const file = join(directory, 'of-many-tags')
  writeFileSync(file, randomBytes(3_000_000).toString('hex'))
  const names = ['a', 'b', 'c'].map((tag) => `${host}/committed/many:${tag}`) as [string, ...string[]]
  await commit('many', file, ...names)
  const output = await ours('push', '-a', `${host}/committed/many`)
  const digests = [...output.matchAll(/digest: (sha256:[0-9a-f]{64})/g)].map(([, digest]) => digest)
  assert.equal(digests.length, 3)
  assert.equal(new Set(digests).size, 1)

  const others = ['a', 'b', 'c'].map((repository) => `${host}/committed/${repository}:1`) as [string, ...string[]]
  await commit('at-once', file, ...others)
  const outputs = await Promise.all(others.map((name) => ours('push', name)))
  assert.equal(new Set(outputs.map(digestIn)).size, 1)
  assert.equal(await ours('images', '-q', '-f', 'dangling=true'), '')
})

test('what a push has packed goes with its image, and so does the plain layer', async () => {
  const file = join(directory, 'to-go')
  writeFileSync(file, randomBytes(1_000_000).toString('hex'))
  const before = content('blobs/sha256').sort()
  const name = `${host}/committed/gone:1`
  await commit('to-go', file, name)
  const [plain] = content('blobs/sha256').filter((blob) => !before.includes(blob) && isLarge(blob, 2_000_000))
  assert.ok(plain)
  await ours('push', name)
  await eventually('the plain layer goes', 30_000, () => !content('blobs/sha256').includes(plain))
  const packed = (await layersOf(name)).at(-1)
  assert.ok(packed && content('blobs/sha256').includes(packed.digest.slice(7)))
  // A container of it is made, and committed, out of what there is now.
  await ours('create', '--name', 'of-packed', '--net', 'none', name, '/x')
  await ours('cp', file, 'of-packed:/more')
  await ours('commit', 'of-packed', `${host}/committed/more:1`)
  await ours('push', `${host}/committed/more:1`)
  assert.deepEqual((await layersOf(`${host}/committed/more:1`)).at(-2), packed)
  await ours('rm', 'of-packed')
  await ours('rmi', name, `${host}/committed/more:1`)
  await eventually('nothing is left', 30_000, () => content('blobs/sha256').sort().join() === before.join())
})

/** What an engine or its containerd is killed over; the image is whole then, packed or not, and so is the next push. */
const MOMENTS = {
  'while it is packed': (packed: () => boolean) => !packed() && content('ingest').length > 0,
  'when it has been packed': (packed: () => boolean) => packed(),
} as const

for (const [moment, isNow] of Object.entries(MOMENTS))
  for (const victim of ['engine', 'containerd'] as const)
    test(`a push whose ${victim} is killed ${moment} loses nothing, and the next one is whole`, async () => {
      const file = join(directory, 'large')
      writeFileSync(file, randomBytes(30_000_000).toString('hex'))
      const before = content('blobs/sha256').sort()
      const name = `${host}/committed/large:1`
      await commit('large', file, name, `${host}/committed/large:2`)
      const [id, committed] = [await idOf(ours, name), content('blobs/sha256').sort()]
      const push = spawn('docker', ['push', name], {
        env: { ...process.env, DOCKER_HOST: pair.ours.host },
        stdio: 'ignore',
      })
      const ended = once(push, 'exit')
      const packed = () =>
        content('blobs/sha256').some((blob) => !committed.includes(blob) && isLarge(blob, 10_000_000))
      for (const bound = Date.now() + 60_000; !isNow(packed); ) {
        assert.ok(Date.now() < bound, `never came to: ${moment}`)
        await new Promise((resolve) => setImmediate(resolve))
      }
      if (victim === 'engine') await pair.ours.killEngine()
      else await pair.ours.killContainerd()
      await ended
      if (victim === 'engine') await pair.ours.start()
      await eventually('no upload is left', 60_000, () => content('ingest').length === 0)
      await eventually('it answers', 60_000, async () => (await idOf(ours, name)) === id)
      assert.equal(await idOf(ours, `${host}/committed/large:2`), id)
      const digest = digestIn(await ours('push', name))
      assert.equal(await digestOf(name), digest)
      assert.match((await layersOf(name)).at(-1)?.mediaType ?? '', /tar[.+]gzip$/)
      assert.equal(digestIn(await ours('push', `${host}/committed/large:2`)), digest)
      await ours('rmi', name, `${host}/committed/large:2`)
      await eventually('nothing is left', 30_000, () => content('blobs/sha256').sort().join() === before.join())
    })
