// An engine as a registry that can only be read, and images from engine to engine: what is there already is not sent again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { createServer, connect, type Server } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { goProgram, skipWithoutGo } from '../harness/go-programs.ts'
import { makeBusyboxTree } from '../harness/images.ts'

const BIG_BYTES = 24 << 20
const withoutCrane = await skipWithoutGo('crane')

let source: TestEngine
let target: TestEngine
let theirs: RealDockerd | undefined
let registry: string

before(async () => {
  registry = `127.0.0.1:${await freePort()}`
  source = await startEngine({ args: ['--serve-images', '--tls=false', '-H', `tcp://${registry}`] })
  target = await startEngine()
  theirs = await startDockerd()
  const tree = join(source.directory, 'tree')
  await makeBusyboxTree(tree)
  await writeFile(join(tree, 'big'), randomBytes(BIG_BYTES))
  await must(['tar', '-C', tree, '-cf', `${source.directory}/base.tar`, '.'])
  await source.ok('import', '-c', 'CMD ["sh"]', `${source.directory}/base.tar`, 'team/app:1')
  const id = await source.ok('create', '--name', 'change', 'team/app:1', 'true')
  await writeFile(join(source.directory, 'note'), 'a small change\n')
  await source.ok('cp', `${source.directory}/note`, `${id}:/note`)
  await source.ok('commit', 'change', 'team/app:2')
  await source.ok('rm', 'change')
})

after(async () => {
  await source?.[Symbol.asyncDispose]()
  await target?.[Symbol.asyncDispose]()
  await theirs?.[Symbol.asyncDispose]()
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

const digestIn = async (engine: TestEngine, name: string) =>
  /@(sha256:[0-9a-f]{64})/.exec(await engine.ok('image', 'inspect', '-f', '{{json .RepoDigests}}', name))?.[1]

/** What goes through to an engine is counted; the engine may be cut off after so many bytes. */
async function counting(socketPath: string): Promise<{ host: string; bytes: () => number; server: Server }> {
  const path = `${socketPath}.counted-${randomBytes(4).toString('hex')}`
  let bytes = 0
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path: socketPath, allowHalfOpen: true })
    client.on('data', (data: Buffer) => {
      bytes += data.length
    })
    client.pipe(engine).pipe(client)
    for (const socket of [client, engine])
      socket.on('error', () => {
        client.destroy()
        engine.destroy()
      })
  }).listen(path)
  await once(server, 'listening')
  return { host: `unix://${path}`, bytes: () => bytes, server }
}

const pushTo = (...args: string[]) => source.berth(['push-to', ...args])

async function answers(path: string, ...more: string[]): Promise<{ status: string; body: string }> {
  const output = await must([
    'curl',
    '-s',
    '--path-as-is',
    '-w',
    '\n%{http_code}',
    ...more,
    `http://${registry}${path}`,
  ])
  const cut = output.lastIndexOf('\n')
  return { status: output.slice(cut + 1), body: output.slice(0, cut) }
}

// Before the target has pulled any of it: what was removed is there until it is collected.
test('push-to sends an image, and of the next one only what is missing', async () => {
  const counted = await counting(target.socketPath)
  try {
    const first = await pushTo(counted.host, 'team/app:1')
    assert.equal(first.code, 0, first.stderr)
    assert.match(first.stdout, /: Pushed\n/)
    const bytesOfFirst = counted.bytes()
    assert.ok(bytesOfFirst > BIG_BYTES)
    assert.equal(await digestIn(target, 'team/app:1'), await digestIn(source, 'team/app:1'))
    const second = await pushTo(counted.host, 'team/app:2')
    assert.equal(second.code, 0, second.stderr)
    assert.match(second.stdout, /: Already there\n/)
    const bytesOfSecond = counted.bytes() - bytesOfFirst
    assert.ok(bytesOfSecond < 64 * 1024, `${bytesOfSecond} bytes`)
    assert.equal(await digestIn(target, 'team/app:2'), await digestIn(source, 'team/app:2'))
    assert.equal(await target.ok('run', '--rm', '--network', 'none', 'team/app:2', 'cat', '/note'), 'a small change')
    const third = await pushTo(counted.host, '-q', 'team/app:1', 'team/app:2')
    assert.equal(third.stdout, 'docker.io/team/app:1\ndocker.io/team/app:2\n')
  } finally {
    counted.server.close()
  }
  await target.ok('rmi', 'team/app:1', 'team/app:2')
})

test('a layer that was committed is compressed before it is served for the first time, or goes to another engine', async () => {
  const note = join(source.directory, 'long-note')
  await writeFile(note, 'much of the same '.repeat(100_000))
  const id = await source.ok('create', '--name', 'long', 'team/app:1', 'true')
  await source.ok('cp', note, `${id}:/note`)
  await source.ok('commit', 'long', 'team/packed:1')
  await source.ok('cp', note, `${id}:/other`)
  await source.ok('commit', 'long', 'team/packed:2')
  await source.ok('rm', 'long')
  const imageId = await source.ok('image', 'inspect', '-f', '{{.Id}}', 'team/packed:1')
  const accept = ['-H', 'Accept: application/vnd.oci.image.manifest.v1+json']
  const manifests = await Promise.all(
    [1, 2, 3].map(async () => (await answers('/v2/team/packed/manifests/1', ...accept)).body),
  )
  assert.equal(new Set(manifests).size, 1)
  const { layers } = JSON.parse(manifests[0] ?? '') as { layers: { mediaType: string; digest: string; size: number }[] }
  const top = layers.at(-1)
  assert.match(top?.mediaType ?? '', /gzip$/)
  assert.ok((top?.size ?? Infinity) < 100_000, `${top?.size} bytes`)
  const blob = join(source.directory, 'blob')
  assert.equal((await answers(`/v2/team/packed/blobs/${top?.digest}`, '-o', blob)).status, '200')
  assert.equal((await must(['sha256sum', blob])).slice(0, 64), top?.digest.slice(7))
  assert.equal(await source.ok('image', 'inspect', '-f', '{{.Id}}', 'team/packed:1'), imageId)
  const sent = await pushTo(target.host, 'team/packed:2')
  assert.equal(sent.code, 0, sent.stderr)
  for (const engine of [source, target]) {
    const saved = join(source.directory, 'saved.tar')
    await engine.ok('save', '-o', saved, 'team/packed:2')
    const [{ Layers }] = JSON.parse(await must(['tar', '-xOf', saved, 'manifest.json'])) as [{ Layers: string[] }]
    const start = await must(['sh', '-c', `tar -xOf ${saved} ${Layers.at(-1)} | head -c 2 | od -An -tx1`])
    assert.equal(start.trim(), '1f 8b')
  }
  assert.equal(await digestIn(target, 'team/packed:2'), await digestIn(source, 'team/packed:2'))
  for (const engine of [source, target]) await engine.ok('rmi', 'team/packed:2')
  await source.ok('rmi', 'team/packed:1')
})

test('skopeo copies an image out of the engine with its digest, and so does crane', async () => {
  const digest = await digestIn(source, 'team/app:2')
  assert.ok(digest)
  const inspected = await must(['skopeo', 'inspect', '--tls-verify=false', `docker://${registry}/team/app:2`])
  const { Digest, RepoTags } = JSON.parse(inspected) as { Digest: string; RepoTags: string[] }
  assert.equal(Digest, digest)
  assert.deepEqual(RepoTags, ['1', '2'])
  const copy = join(source.directory, 'skopeo')
  await must(['skopeo', 'copy', '--src-tls-verify=false', `docker://${registry}/team/app@${digest}`, `dir:${copy}`])
  assert.equal((await must(['sha256sum', `${copy}/manifest.json`])).slice(0, 64), digest.slice(7))
})

test('crane sees and validates it', { skip: withoutCrane }, async () => {
  const crane = await goProgram('crane')
  const digest = await digestIn(source, 'team/app:2')
  assert.equal((await must([crane, 'digest', '--insecure', `${registry}/team/app:2`])).trim(), digest)
  assert.match(await must([crane, 'validate', '--insecure', '--remote', `${registry}/team/app:2`]), /PASS/)
  assert.match(await must([crane, 'catalog', '--insecure', registry]), /^team\/app$/m)
})

test('podman, the original dockerd and another engine pull from it what is the same image', async () => {
  const name = `${registry}/team/app:2`
  const root = join(source.directory, 'podman')
  const podman = ['podman', '--root', `${root}/root`, '--runroot', `${root}/run`, '--storage-driver', 'vfs']
  await must([...podman, 'pull', '-q', '--tls-verify=false', name])
  const digest = await digestIn(source, 'team/app:2')
  const seen = await must([...podman, 'image', 'inspect', '--format', '{{.Digest}}', name])
  await run([...podman, 'rmi', '-f', name])
  assert.equal(seen.trim(), digest)
  await rm(root, { recursive: true, force: true })
  await target.ok('pull', '-q', name)
  assert.equal(await digestIn(target, name), digest)
  await target.ok('rmi', name)
  if (theirs === undefined) return
  const docker = ['docker', '-H', `unix://${theirs.socketPath}`]
  await must([...docker, 'pull', '-q', name])
  const id = await must([...docker, 'image', 'inspect', '-f', '{{.Id}}', name])
  assert.equal(id.trim(), await source.ok('image', 'inspect', '-f', '{{.Id}}', 'team/app:2'))
  await must([...docker, 'rmi', name])
})

test('an engine is the mirror of another', async () => {
  await using other = await startEngine({ args: ['--registry-mirror', `http://${registry}`] })
  await other.ok('pull', '-q', 'team/app:2')
  assert.equal(await digestIn(other, 'team/app:2'), await digestIn(source, 'team/app:2'))
})

test('nothing can be written, and names that lead elsewhere lead nowhere', async () => {
  const zeros = `sha256:${'0'.repeat(64)}`
  for (const [method, path] of [
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['PUT', '/v2/team/app/manifests/3'],
    ['PATCH', '/v2/team/app/blobs/uploads/1'],
    ['DELETE', '/v2/team/app/manifests/1'],
  ] as const) {
    const { status, body } = await answers(path, '-X', method, '-d', '{}')
    assert.equal(status, '405', `${method} ${path}`)
    assert.match(body, /"code":"UNSUPPORTED"/)
  }
  for (const [path, status, code] of [
    ['/v2/team/app/manifests/none', '404', 'MANIFEST_UNKNOWN'],
    [`/v2/team/app/manifests/${zeros}`, '404', 'MANIFEST_UNKNOWN'],
    [`/v2/team/app/blobs/${zeros}`, '404', 'BLOB_UNKNOWN'],
    ['/v2/team/app/blobs/sha256:short', '400', 'DIGEST_INVALID'],
    ['/v2/team/none/tags/list', '404', 'NAME_UNKNOWN'],
    ['/v2/TEAM/app/tags/list', '400', 'NAME_INVALID'],
    ['/v2/te%00am/app/tags/list', '400', 'NAME_INVALID'],
    ['/v2/team%2f..%2f..%2fetc/tags/list', '301', ''],
    [`/v2/${'a/'.repeat(200)}b/tags/list`, '400', 'NAME_INVALID'],
    ['/v2/_catalog?n=-1', '400', 'PAGINATION_NUMBER_INVALID'],
  ] as const) {
    const answer = await answers(path)
    assert.equal(answer.status, status, `${path}: ${answer.body}`)
    assert.ok(answer.body.includes(code), `${path}: ${answer.body}`)
  }
  const first = await answers('/v2/team/app/tags/list?n=1')
  assert.deepEqual(JSON.parse(first.body), { name: 'team/app', tags: ['1'] })
  const off = await run(['curl', '-s', '--unix-socket', target.socketPath, 'http://x/v2/'])
  assert.match(off.stdout, /page not found/, 'it is off where nobody turned it on')
})

test('a blob comes in ranges, and only to who names an image that has it', async () => {
  const manifest = JSON.parse((await answers('/v2/team/app/manifests/2')).body) as { layers: { digest: string }[] }
  const path = `/v2/team/app/blobs/${manifest.layers.at(-1)?.digest}`
  const whole = (await must(['sh', '-c', `curl -s http://${registry}${path} | sha256sum`])).slice(0, 64)
  const parts = `curl -s -r 0-99 http://${registry}${path}; curl -s -r 100- http://${registry}${path}`
  assert.equal((await must(['sh', '-c', `(${parts}) | sha256sum`])).slice(0, 64), whole)
  assert.equal((await answers(path, '-r', '99999999-', '-o', '/dev/null')).status, '416')
  assert.equal((await answers(path, '-r', '0-0', '-o', '/dev/null')).status, '206')
  await must(['tar', '-C', source.directory, '-cf', `${source.directory}/note.tar`, 'note'])
  await source.ok('import', `${source.directory}/note.tar`, 'other/app:1')
  const elsewhere = await answers(path.replace('team/app', 'other/app'))
  assert.deepEqual([elsewhere.status, /BLOB_UNKNOWN/.test(elsewhere.body)], ['404', true], elsewhere.body)
})

test('a context names the target; what there is not says so', async () => {
  const created = await source.berth(['context', 'create', 'far', '--docker', `host=${target.host}`])
  assert.equal(created.code, 0, created.stderr)
  const pushed = await pushTo('far', 'team/app:2')
  assert.equal(pushed.code, 0, pushed.stderr)
  const none = await pushTo('far', 'team/none:1')
  assert.deepEqual([none.code, none.stderr], [1, 'Error response from daemon: reference does not exist\n'])
  assert.match((await pushTo('nowhere', 'team/app:2')).stderr, /context not found/)
  await target.ok('rmi', 'team/app:2')
})

test('to an original dockerd it is save and load, with a note', async () => {
  if (theirs === undefined) return
  const pushed = await pushTo(`unix://${theirs.socketPath}`, 'team/app:2')
  assert.equal(pushed.code, 0, pushed.stderr)
  assert.match(pushed.stderr, /^note: team\/app:2 is sent as a whole/)
  const id = await must([
    'docker',
    '-H',
    `unix://${theirs.socketPath}`,
    'image',
    'inspect',
    '-f',
    '{{.Id}}',
    'team/app:2',
  ])
  assert.equal(id.trim(), await source.ok('image', 'inspect', '-f', '{{.Id}}', 'team/app:2'))
})

/** By the API: a blob that was announced, as whoever sends it likes. */
async function transfer(path: string, ...more: string[]): Promise<string> {
  return await must(['curl', '-s', '--unix-socket', target.socketPath, ...more, `http://x/v1.47${path}`])
}

test('bytes of another digest, too many of them or an image that is not whole are refused', async () => {
  const right = Buffer.from('right')
  const digest = `sha256:${(await must(['sh', '-c', 'printf right | sha256sum'])).slice(0, 64)}`
  const blob = { mediaType: 'application/octet-stream', digest, size: right.length }
  const type = ['-H', 'Content-Type: application/json', '-X', 'POST', '-d']
  const begun = await transfer('/transfers', ...type, JSON.stringify({ Blobs: [blob] }))
  const { Id, Missing } = JSON.parse(begun) as { Id: string; Missing: object[] }
  assert.deepEqual(Missing, [{ Digest: digest, Offset: 0 }])
  const path = `/transfers/${Id}/blobs/${digest}`
  const put = (data: string, at: string) => transfer(at, '-X', 'PUT', '-H', 'Content-Type: a/b', '--data-binary', data)
  assert.match(await put('wrong', path), /unexpected commit digest/)
  assert.match(await put('right and more', path), /is larger than 5 bytes/)
  assert.match(await put('right', `/transfers/${Id}/blobs/sha256:${'0'.repeat(64)}`), /is not part of this transfer/)
  assert.match(await put('ht', `${path}?offset=3`), /must occur at current offset/)
  const target_ = { Target: { ...blob, mediaType: 'application/vnd.oci.image.manifest.v1+json' }, Name: 'evil:1' }
  assert.match(await transfer(`/transfers/${Id}/finish`, ...type, JSON.stringify(target_)), /message/)
  assert.equal(await put('right', path), '')
  assert.match(await transfer(`/transfers/${Id}/finish`, ...type, JSON.stringify(target_)), /message/)
  await transfer(`/transfers/${Id}`, '-X', 'DELETE')
  assert.match(await put('right', path), /No such transfer/)
  assert.equal(await target.ok('images', '-q'), '')
})

/** A push in the middle of which something breaks: what is on its way waits for that. */
async function brokenPush(image: string, breaks: () => Promise<void>): Promise<string> {
  const path = `${target.socketPath}.stuck-${randomBytes(4).toString('hex')}`
  let bytes = 0
  let isBroken = false
  let broken: Promise<void> | undefined
  const server = createServer((client) => {
    const engine = connect({ path: target.socketPath })
    client.on('data', (data: Buffer) => {
      bytes += data.length
      if (bytes <= BIG_BYTES / 2) return void engine.write(data)
      isBroken = true
      broken ??= breaks()
      client.pause()
      void broken.then(() => {
        if (!engine.destroyed) engine.write(data)
        client.resume()
      })
    })
    engine.pipe(client)
    for (const socket of [client, engine])
      for (const event of ['error', 'close'])
        socket.on(event, () => {
          client.destroy()
          engine.destroy()
        })
  }).listen(path)
  await once(server, 'listening')
  const { code, stderr } = await pushTo(`unix://${path}`, image)
  await broken
  server.close()
  assert.ok(isBroken, 'it was in the middle of it')
  assert.notEqual(code, 0)
  return stderr
}

const sentBytes = (output: string) => Number(/\((\d+) bytes\)/.exec(output)?.[1])

/** Of bytes that no engine has seen. */
async function newImage(name: string): Promise<string> {
  const tree = join(source.directory, 'new')
  await must(['mkdir', '-p', tree])
  await writeFile(join(tree, 'big'), randomBytes(BIG_BYTES))
  await must(['tar', '-C', tree, '-cf', `${source.directory}/new.tar`, '.'])
  await source.ok('import', `${source.directory}/new.tar`, name)
  return name
}

for (const side of ['source', 'target'] as const)
  test(`the ${side} is killed in the middle, and the same command again goes well`, async () => {
    const killed = side === 'source' ? source : target
    const image = await newImage(`killed/${side}:1`)
    await brokenPush(image, () => killed.killEngine())
    await killed.start()
    assert.equal(await target.ok('images', '-q', image), '', 'nothing has a name that is not whole')
    const again = await pushTo(target.host, image)
    assert.equal(again.code, 0, again.stderr)
    if (side === 'source') assert.ok(sentBytes(again.stdout) < BIG_BYTES, 'it went on where it stopped')
    assert.equal(await digestIn(target, image), await digestIn(source, image))
    await target.ok('rmi', image)
  })

test('what a transfer has brought goes when the engine that was killed is back', async () => {
  await brokenPush(await newImage('killed/left:1'), () => target.killEngine())
  await target.start()
  const blobs = join(target.directory, 'data/containerd/content')
  await eventually('no content is left', 30_000, async () => {
    const { stdout } = await run(['find', blobs, '-type', 'f', '-size', '+64k'])
    return stdout === ''
  })
})
