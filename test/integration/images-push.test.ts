// Pushes to Debian's registry: what dockerd pulls from there is the same image; words, marks and aux as Docker's clients want them.
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, must, run } from '../harness/command.ts'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { makeImageArchive } from '../harness/image-archive.ts'
import { pushBusybox } from '../harness/images.ts'
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
