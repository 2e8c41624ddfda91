// What containers have mounted: every kind and option of `-v` and `--mount`, proved from inside or by inspect.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { call } from '../harness/api.ts'
import { pushHostile } from '../harness/attacker.ts'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { must, run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { type TestRegistry, startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let image: string
let rich: string
let host: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  image = `${registry.host}/busybox`
  rich = `${registry.host}/rich`
  await pushBusybox(registry.host)
  await pushHostile(
    registry.host,
    'rich',
    `mkdir -p data/deep; echo one >data/file; ln data/file data/hard; ln -s ../etc/passwd data/soft
     mknod data/null c 1 3; mkfifo data/fifo; setfattr -n user.note -v kept data/file
     chown 12:34 data/file; chmod 4751 data/file; chown 1000:1000 data; chmod 1770 data; touch -d @1000000 data/deep`,
    { Volumes: { '/data': {} } },
  )
  for (const name of [image, rich]) await engine.ok('pull', '-q', name)
  host = `${engine.directory}/host`
  mkdirSync(`${host}/below`, { recursive: true })
  writeFileSync(`${host}/file`, 'of the host\n')
})

after(async () => {
  await run(['umount', '-l', `${host}/below`])
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const sh = (options: readonly string[], script: string, name = image) =>
  engine.ok('run', '--rm', ...options, name, 'sh', '-c', script)
const refusal = async (...args: string[]) => {
  const { code, stderr } = await engine.docker(args)
  assert.notEqual(code, 0, `${args.join(' ')} must fail`)
  return (stderr.split('\n')[0] ?? '').replace(/^(docker: )?Error response from daemon: /, '')
}

describe('the first content of a volume', () => {
  const SEEN =
    'cd /v; stat -c "%a %u:%g" . file; stat -c %h hard; readlink soft; stat -c "%F %t %T" null; stat -c %F fifo; stat -c %Y deep'

  test('is what the image has there, with owners, modes, attributes, times, links and devices', async () => {
    await engine.ok('run', '--rm', '-v', 'filled:/data', rich, 'true')
    assert.deepEqual((await sh(['-v', 'filled:/v'], SEEN)).split('\n'), [
      ...['1770 1000:1000', '4751 12:34', '2', '../etc/passwd'],
      ...['character special file 1 3', 'fifo', '1000000'],
    ])
    const path = `${engine.directory}/data/volumes/filled/_data/file`
    assert.match(await must(['getfattr', '-n', 'user.note', path]), /user\.note="kept"/)
  })

  test('comes once, not for a bind, not with nocopy, and into a subpath as well', async () => {
    await sh(['-v', 'filled:/v'], 'rm -rf /v/* && echo mine >/v/mine')
    assert.equal(await sh(['-v', 'filled:/data'], 'ls /data', rich), 'mine')
    assert.equal(await sh(['-v', 'bare:/data:nocopy'], 'ls /data', rich), '')
    await sh(['-v', 'parts:/v'], 'mkdir -p /v/part')
    assert.match(
      await sh(['--mount', 'type=volume,src=parts,dst=/data,volume-subpath=part'], 'ls /data', rich),
      /^deep/,
    )
    assert.equal(await sh(['-v', 'parts:/v'], 'ls /v; cat /v/part/file'), 'part\none')
  })

  test('reaches what is mounted for it, too', async () => {
    const place = `${engine.directory}/place`
    mkdirSync(place)
    await engine.ok('volume', 'create', '-o', 'type=none', '-o', `device=${place}`, '-o', 'o=bind', 'placed')
    assert.equal(await sh(['-v', 'placed:/data'], 'cat /data/file', rich), 'one')
    assert.equal(await must(['cat', `${place}/file`]), 'one')
  })

  test('is never the host’s, wherever the image says that the volume is', async () => {
    const outside = `${engine.directory}/outside-of-images`
    mkdirSync(outside)
    writeFileSync(`${outside}/secret`, 'of the host')
    const up = '../'.repeat(12)
    const places = ['/absolute', '/relative', '/behind/secret-directory', `/${up}${outside.slice(1)}`]
    await pushHostile(
      registry.host,
      'pointing',
      `ln -s ${outside} absolute; ln -s ${up}${outside.slice(1)} relative; ln -s ${outside} behind`,
      { Volumes: Object.fromEntries(places.map((path) => [path, {}])) },
    )
    const pointing = `${registry.host}/pointing`
    await engine.ok('pull', '-q', pointing)
    const id = await engine.ok('create', pointing, 'true')
    const names = (await engine.ok('inspect', '-f', '{{range .Mounts}}{{.Source}} {{end}}', id)).trim().split(' ')
    assert.equal(names.length, places.length)
    for (const source of names) assert.deepEqual(readdirSync(source), [], source)
    await engine.ok('rm', '-v', id)
    assert.deepEqual(readdirSync(outside), ['secret'])
  })

  test('a file of the image is no place for a volume', async () => {
    assert.equal(await refusal('create', '-v', 'new:/bin/busybox', image), 'source /bin/busybox is not directory')
    assert.equal(
      await refusal('create', '-v', '/bin/busybox', image),
      'cannot mount volume over existing file, file exists /bin/busybox',
    )
  })
})

describe('a part of a volume', () => {
  test('is all that the container sees: a directory, or a file', async () => {
    await sh(['-v', 'whole:/v'], 'mkdir -p /v/a/b; echo deep >/v/a/b/file; echo no >/v/secret')
    const part = (subpath: string) => ['--mount', `type=volume,src=whole,dst=/p,volume-subpath=${subpath}`]
    assert.equal(await sh(part('a'), 'ls /p; cat /p/b/file; echo new >/p/new'), 'b\ndeep')
    assert.equal(await sh(part('a/b/file'), 'cat /p'), 'deep')
    assert.equal(await sh(part('a/new'), 'cat /p'), 'new')
    assert.equal((await run(['sh', '-c', `grep -c '${engine.directory}/exec/mounts' /proc/self/mounts`])).stdout, '0\n')
  })

  test('is never reached by a link, nor is what lies outside', async () => {
    const volume = `${engine.directory}/data/volumes/whole/_data`
    await sh(['-v', 'whole:/v'], `ln -s ${host} /v/out; ln -s a /v/inside; ln -s .. /v/up`)
    const start = (subpath: string) =>
      refusal('run', '--rm', '--mount', `type=volume,src=whole,dst=/p,volume-subpath=${subpath}`, image, 'ls', '/p')
    for (const [subpath, errno] of [
      ['out', 'too many levels of symbolic links'],
      ['inside/b', 'too many levels of symbolic links'],
      ['up', 'too many levels of symbolic links'],
      ['missing', 'no such file or directory'],
    ] as const)
      assert.equal(await start(subpath), `cannot access path ${volume}/${subpath}: ${errno}`)
    const lexical = 'invalid mount config for type "volume": subpath must be a relative path within the volume'
    for (const subpath of ['../x', '/x', 'a/../../x']) assert.equal(await start(subpath), lexical)
  })

  // CVE-2021-30465 and its kin: a container exchanges the directory for a link while another one starts.
  test('may be exchanged for a link at any moment: the host is never seen', async () => {
    writeFileSync(`${host}/only-here`, '')
    await sh(['-v', 'race:/v'], `mkdir -p /v/a/part /v/b; ln -s ${host} /v/b/part`)
    const swap = 'while :; do mv /v/a /v/c; mv /v/b /v/a; mv /v/a /v/b; mv /v/c /v/a; done'
    const swapper = await engine.ok('run', '-d', '-v', 'race:/v', image, 'sh', '-c', swap)
    const args = ['run', '--rm', '--mount', 'type=volume,src=race,dst=/p,volume-subpath=a/part', image, 'ls', '/p']
    const results = []
    for (let round = 0; round < 12; round++) results.push(await engine.docker(args))
    await engine.ok('rm', '-f', swapper)
    for (const { code, stdout, stderr } of results) {
      assert.doesNotMatch(stdout, /only-here/)
      if (code !== 0) assert.match(stderr, /cannot access path .*\/a\/part: (no such file|too many levels)/)
    }
  })
})

describe('an image as a mount', () => {
  const mount = (more = '') => ['--mount', `type=image,src=${rich},dst=/i${more}`]

  test('is there read-only, whole or in part, and inspect tells of it', async () => {
    assert.equal(await sh(mount(), 'cat /i/data/file; touch /i/x 2>&1 | grep -o Read-only'), 'one\nRead-only')
    assert.equal(await sh(mount(',image-subpath=data'), 'cat /i/file'), 'one')
    assert.equal(await sh(mount(',image-subpath=etc/passwd'), 'head -c4 /i'), 'root')
    const id = await engine.ok('create', ...mount(), image)
    const [shown] = JSON.parse(await engine.ok('inspect', '-f', '{{json .Mounts}}', id)) as Record<string, unknown>[]
    assert.deepEqual(
      { ...shown, Source: '' },
      {
        ...{ Type: 'image', Name: rich, Source: '', Destination: '/i', Mode: '', RW: false, Propagation: 'rprivate' },
      },
    )
    await engine.ok('rm', id)
  })

  test('outlives its name, and a kill -9 of the engine', async () => {
    await engine.ok('tag', rich, 'other:name')
    const id = await engine.ok('create', '--mount', 'type=image,src=other:name,dst=/i', image, 'cat', '/i/data/file')
    await engine.ok('rmi', 'other:name')
    await engine.killEngine()
    await engine.start()
    assert.equal(await engine.ok('start', '-a', id), 'one')
    await engine.ok('rm', id)
  })

  test('that is not there is told by its name', async () => {
    const body = { Image: image, HostConfig: { Mounts: [{ Type: 'image', Source: 'nobody', Target: '/i' }] } }
    const missing = await call(engine.socketPath, 'POST /v1.48/containers/create', { body })
    assert.deepEqual([missing.status, missing.text], [404, 'No such image: nobody:latest'])
    const old = await call(engine.socketPath, 'POST /v1.47/containers/create', { body })
    assert.deepEqual([old.status, old.text], [400, 'Mount type "Image" needs API v1.48 or newer'])
  })
})

describe('binds', () => {
  test('that are read-only are so all the way down, unless they are told not to be', async () => {
    await must(['mount', '-t', 'tmpfs', 'below', `${host}/below`])
    const write = 'touch /b/below/x 2>/dev/null && echo written || echo refused'
    const mount = (more: string) => ['--mount', `type=bind,src=${host},dst=/b${more}`]
    assert.equal(await sh(['-v', `${host}:/b:ro`], write), 'refused')
    assert.equal(await sh(mount(',readonly'), write), 'refused')
    assert.equal(await sh(mount(',readonly,bind-recursive=readonly,bind-propagation=rprivate'), write), 'refused')
    assert.equal(await sh(mount(',readonly,bind-recursive=writable'), write), 'written')
    assert.equal(await sh(mount(',bind-recursive=disabled'), 'mount | grep -c " /b/below "; true'), '0')
    assert.equal(await sh(mount(''), write), 'written')
    const asOld = (version: string) =>
      call(engine.socketPath, `POST /v${version}/containers/create`, {
        body: { Image: image, Cmd: ['sh', '-c', write], HostConfig: { Binds: [`${host}:/b:ro`] } },
      })
    const { Id } = JSON.parse((await asOld('1.43')).body) as { Id: string }
    assert.equal(await engine.ok('start', '-a', Id), 'written')
    await engine.ok('rm', Id)
  })

  test('make a missing source for -v, and for --mount only where that is said', async () => {
    assert.equal(await sh(['-v', `${host}/made/here:/m`], 'ls -d /m'), '/m')
    assert.equal(await must(['stat', '-c', '%a %u', `${host}/made/here`]), '755 0')
    const missing = `${host}/missing`
    assert.equal(
      await refusal('create', '--mount', `type=bind,src=${missing},dst=/m`, image),
      `invalid mount config for type "bind": bind source path does not exist: ${missing}`,
    )
    const source = { Type: 'bind', Source: missing, Target: '/m', BindOptions: { CreateMountpoint: true } }
    const body = { Image: image, Cmd: ['ls', '-d', '/m'], HostConfig: { Mounts: [source] } }
    const created = await call(engine.socketPath, 'POST /v1.44/containers/create', { body })
    const { Id } = JSON.parse(created.body) as { Id: string }
    assert.equal(await engine.ok('start', '-a', Id), '/m')
    await engine.ok('rm', Id)
  })

  test('share mounts with the host only where its own mount does', async () => {
    const shared = '/tmp/berth-shared'
    await must(['sh', '-ec', `mkdir -p ${shared}; mount -t tmpfs shared ${shared}; mount --make-private ${shared}`])
    try {
      const started = (mode: string) => refusal('run', '--rm', '-v', `${shared}:/s:${mode}`, image, 'true')
      assert.equal(await started('rshared'), `path ${shared} is mounted on ${shared} but it is not a shared mount`)
      assert.equal(
        await started('slave'),
        `path ${shared} is mounted on ${shared} but it is not a shared or slave mount`,
      )
      await must(['mount', '--make-shared', shared])
      const script = 'mkdir -p /s/inner && mount -t tmpfs inner /s/inner'
      await sh(['--privileged', '-v', `${shared}:/s:rshared`], script)
      assert.match(await must(['cat', '/proc/self/mounts']), /inner \/tmp\/berth-shared\/inner /)
    } finally {
      await run(['umount', '-l', `${shared}/inner`, shared])
      await run(['rmdir', shared])
    }
  })

  test('cover each other by their depth, whatever their order', async () => {
    const options = ['-v', `${host}/file:/a/b/file`, '--tmpfs', '/a/b', '-v', 'outer:/a']
    assert.equal(await sh(options, 'cat /a/b/file; ls /a; stat -f -c %T /a/b'), 'of the host\nb\ntmpfs')
    assert.equal(
      await sh(['-v', 'outer:/dev/shm', '--tmpfs', '/run:size=64k'], 'stat -f -c %T /run; ls /dev/shm'),
      'tmpfs\nb',
    )
  })
})

test('inspect and lists show each mount as it was asked for', async () => {
  const id = await engine.ok(
    ...['create', '-v', `${host}:/a:ro,z`, '-v', 'named:/b', '-v', '/anonymous', '--tmpfs', '/t'],
    ...['--mount', 'type=tmpfs,dst=/m,tmpfs-size=64k,tmpfs-mode=1770', '--mount', 'type=volume,src=named,dst=/c,ro'],
    image,
  )
  const [shown] = JSON.parse(await engine.ok('inspect', id)) as {
    Mounts: { Name?: string; Source: string; Destination: string }[]
    HostConfig: Record<string, unknown>
  }[]
  const data = (name: string) => `${engine.directory}/data/volumes/${name}/_data`
  const anonymous = shown?.Mounts.find(({ Destination }) => Destination === '/anonymous')?.Name ?? ''
  const volume = (Name: string, Destination: string, more: object) => ({
    ...{ Type: 'volume', Name, Source: data(Name), Destination, Driver: 'local', Mode: 'z', RW: true, Propagation: '' },
    ...more,
  })
  // The Docker CLI sends what `-v` names in no order.
  const byPlace = <T extends { Destination: string }>(mounts: readonly T[]) =>
    mounts.toSorted((a, b) => (a.Destination < b.Destination ? -1 : 1))
  assert.deepEqual(
    byPlace(shown?.Mounts ?? []),
    byPlace<Record<string, unknown> & { Destination: string }>([
      { Type: 'bind', Source: host, Destination: '/a', Mode: 'ro,z', RW: false, Propagation: 'rprivate' },
      volume('named', '/b', {}),
      { Type: 'tmpfs', Source: '', Destination: '/m', Mode: '', RW: true, Propagation: '' },
      volume('named', '/c', { RW: false }),
      volume(anonymous, '/anonymous', { Mode: '' }),
    ]),
  )
  assert.deepEqual([...((shown?.HostConfig['Binds'] ?? []) as string[])].sort(), [`${host}:/a:ro,z`, 'named:/b'])
  assert.deepEqual(shown?.HostConfig['Mounts'], [
    { Type: 'tmpfs', Target: '/m', TmpfsOptions: { SizeBytes: 65536, Mode: 1016 } },
    { Type: 'volume', Source: 'named', Target: '/c', ReadOnly: true },
  ])
  const listed = await engine.ok(
    'ps',
    '-a',
    '--no-trunc',
    '--filter',
    'volume=named',
    '--format',
    '{{.ID}} {{.Mounts}}',
  )
  assert.deepEqual(listed.split(/[ ,]/).sort(), [id, host, 'named', '', 'named', anonymous].sort())
  const heir = await engine.ok('create', '--volumes-from', `${id}:ro`, image)
  const inherited = await engine.ok('inspect', '-f', '{{range .Mounts}}{{.Destination}}{{.RW}}{{.Mode}} {{end}}', heir)
  assert.deepEqual(inherited.trim().split(' ').sort(), ['/afalse', '/anonymousfalse', '/bfalse', '/cfalse', '/mfalse'])
  await engine.ok('rm', '-v', id)
  assert.equal((await engine.docker(['volume', 'inspect', anonymous])).code, 0, 'another has it')
  await engine.ok('rm', '-v', heir)
  assert.equal((await engine.docker(['volume', 'inspect', anonymous])).code, 1)
})
