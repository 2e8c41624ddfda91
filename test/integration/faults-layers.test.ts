// Layers made to break out, pulled through the whole stack: what they ask for stays inside the image, or the pull fails and leaves nothing.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { imageFile } from '../../src/image/make-image.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { byteString } from '../../src/wire/tar/entry.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { must } from '../harness/command.ts'
import { fakeImage, type FakeRegistry, layerOf, startFakeRegistry, tarOf } from '../harness/fake-registry.ts'
import { listLeavings, nothingBut } from '../harness/leavings.ts'

let engine: TestEngine
let registry: FakeRegistry
let empty: string[]
let secret: string
const busybox = imageFile('bin/busybox', { content: readFileSync('/bin/busybox'), mode: 0o755 })
const link = (name: string, target: string) => imageFile(name, { type: 'symlink', linkName: byteString(target) })
const hardlink = (name: string, target: string) => imageFile(name, { type: 'hardlink', linkName: byteString(target) })

before(async () => {
  engine = await startEngine({ cgroups: 'own' })
  registry = await startFakeRegistry()
  empty = await listLeavings(engine)
  secret = `${engine.directory}/secret`
  writeFileSync(secret, 'of the host')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** Pulls it; where that succeeds, prints the image's tree from inside. The host's files are as they were. */
async function pullAndList(name: string, ...sources: ReturnType<typeof imageFile>[]): Promise<string> {
  const hostBefore = readdirSync('/').join()
  registry.serve(name, fakeImage([await layerOf(busybox, ...sources)]))
  const pull = await engine.docker(['pull', '-q', `${registry.host}/${name}`])
  const seen =
    pull.code === 0
      ? await engine.ok(
          'run',
          '--rm',
          '--network',
          'none',
          `${registry.host}/${name}`,
          '/bin/busybox',
          'find',
          '/',
          '-xdev',
        )
      : pull.stderr
  if (pull.code === 0) await engine.ok('rmi', `${registry.host}/${name}`)
  assert.equal(readFileSync(secret, 'utf8'), 'of the host')
  assert.equal(readdirSync('/').join(), hostBefore)
  await nothingBut(empty, engine)
  return seen
}

test('names with .. and absolute names stay inside, or the layer is refused', async () => {
  for (const name of ['../../../../escaped', '/absolute', 'a/../../../escaped', '..', 'a/..']) {
    const seen = await pullAndList('names', imageFile(name, { content: 'x' }))
    assert.match(seen, /\/bin\/busybox|invalid|refused|outside|breakout|path/i, name)
    assert.ok(!existsSync('/escaped') && !existsSync('/absolute') && !existsSync(`${engine.directory}/escaped`))
  }
})

test('what is written through a symbolic link lands in the image', async () => {
  const seen = await pullAndList(
    'through-links',
    link('host', engine.directory),
    imageFile('host/written', { content: 'x' }),
    link('up', '../../../../../../../..'),
    imageFile('up/written-up', { content: 'x' }),
    link('file', secret),
    imageFile('file', { content: 'overwritten' }),
  )
  assert.ok(!existsSync(`${engine.directory}/written`) && !existsSync('/written-up'))
  assert.match(seen, /\/bin\/busybox|invalid|refused|outside/i)
})

test('hard links out of the layer are refused', async () => {
  for (const target of [secret, `../../../../../../../..${secret}`, '/etc/passwd']) {
    const seen = await pullAndList('hardlinks', hardlink('stolen', target))
    assert.match(seen, /no such file|not found|invalid|outside|does not exist/i, target)
  }
  const seen = await pullAndList('linked-link', link('to-secret', secret), hardlink('stolen', 'to-secret'))
  assert.match(seen, /\/stolen|invalid|refused/)
})

test('devices and pipes are made in the image, and opened by no one on the way', async () => {
  const seen = await pullAndList(
    'devices',
    imageFile('dev-null', { type: 'character-device', deviceMajor: 1, deviceMinor: 3 }),
    imageFile('pipe', { type: 'fifo' }),
    imageFile('etc/passwd', { type: 'fifo' }),
  )
  assert.match(seen, /regular file|\/pipe/)
})

test('an image whose /etc/passwd is a pipe or a link to the host does not hang and gives nothing away', async () => {
  for (const entry of [imageFile('etc/passwd', { type: 'fifo' }), link('etc/passwd', '/proc/1/environ')]) {
    registry.serve('passwd', fakeImage([await layerOf(busybox, entry)]))
    const name = `${registry.host}/passwd`
    await engine.ok('pull', '-q', name)
    const user = await engine.docker(['run', '--rm', '-u', 'nobody', name, '/bin/busybox', 'true'], {
      timeoutMs: 10_000,
    })
    assert.equal(user.code, 125)
    assert.match(user.stderr, /unable to find user nobody: no matching entries in passwd file|passwd/)
    await engine.ok('rmi', name)
    await nothingBut(empty, engine)
  }
})

test('an image whose /proc or /sys is a link elsewhere has directories there instead, and touches nothing', async () => {
  for (const path of ['proc', 'sys']) {
    registry.serve('mounts', fakeImage([await layerOf(busybox, link(path, engine.directory))]))
    const name = `${registry.host}/mounts`
    await engine.ok('pull', '-q', name)
    const run = ['run', '--rm', '--network', 'none', name, '/bin/busybox']
    // As with Docker, what every container gets mounted is made below its own layer; nothing is followed there.
    assert.match(await engine.ok(...run, 'ls', '-ld', `/${path}`), /^d/)
    assert.match(await engine.ok(...run, 'cat', '/proc/mounts'), new RegExp(`^\\S+ /${path} (?:proc|sysfs) `, 'm'))
    await engine.ok('rmi', name)
    await nothingBut(empty, engine)
  }
})

test('garbage behind a gzip stream, and a stream that never ends in size', async () => {
  const tar = await tarOf([busybox])
  const trailing = Buffer.concat([gzipSync(tar), Buffer.from('garbage behind')])
  registry.serve('trailing', fakeImage([{ bytes: trailing, diffId: digestOf(tar) }]))
  const pull = await engine.docker(['pull', '-q', `${registry.host}/trailing`])
  if (pull.code === 0) await engine.ok('rmi', `${registry.host}/trailing`)
  else assert.match(pull.stderr, /gzip|header|trailing|garbage|invalid/i)
  await nothingBut(empty, engine)

  // 400 MB of zeros behind the end of the archive, in 400 KB.
  await must(['sh', '-c', `head -c 400000000 /dev/zero | gzip -1 > ${engine.directory}/zeros.gz`])
  const zeros = readFileSync(`${engine.directory}/zeros.gz`)
  const bytes = Buffer.concat([gzipSync(tar), zeros])
  registry.serve('bomb', fakeImage([{ bytes, diffId: digestOf(tar) }]))
  const bomb = await engine.docker(['pull', '-q', `${registry.host}/bomb`], { timeoutMs: 30_000 })
  assert.equal(bomb.code, 1)
  const memory = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${engine.containerdPid()}/status`, 'utf8'))?.[1])
  assert.ok(memory < 400_000, `${memory} KiB at the most`)
  await nothingBut(empty, engine)
})
