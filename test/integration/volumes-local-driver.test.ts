// The local driver: file systems that are mounted while a container uses them, what a kill -9 leaves of them, and records that survive it.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must, run } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

const volumes = () => `${engine.directory}/data/volumes`
const dataOf = (name: string) => `${volumes()}/${name}/_data`
const isMounted = (name: string) => readFileSync('/proc/self/mounts', 'utf8').includes(` ${dataOf(name)} `)
const options = (pairs: Record<string, string>) =>
  Object.entries(pairs).flatMap(([key, value]) => ['-o', `${key}=${value}`])
const create = (name: string, pairs: Record<string, string>) => engine.ok('volume', 'create', ...options(pairs), name)
const sleeping = (name: string, ...mounts: string[]) =>
  engine.ok('run', '-d', '--name', name, ...mounts, image, 'sleep', '1000')
const TMPFS = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=1000,noexec' }

describe('a volume that is a file system', () => {
  test('is mounted with its first container and unmounted with its last', async () => {
    await create('memory', TMPFS)
    assert.equal(isMounted('memory'), false)
    await sleeping('one', '-v', 'memory:/m')
    const seen = await engine.ok(
      'exec',
      'one',
      'sh',
      '-c',
      'grep " /m " /proc/mounts; stat -c %u /m; echo kept >/m/file',
    )
    assert.match(seen, /^tmpfs \/m tmpfs rw,noexec,relatime,size=1024k,uid=1000.*\n1000$/)
    await sleeping('two', '-v', 'memory:/m:ro')
    assert.equal(await engine.ok('exec', 'two', 'cat', '/m/file'), 'kept')
    await engine.ok('rm', '-f', 'one')
    assert.equal(isMounted('memory'), true)
    await engine.ok('rm', '-f', 'two')
    assert.equal(isMounted('memory'), false)
    assert.deepEqual(readdirSync(dataOf('memory')), [])
  })

  test('may be a directory of the host, or a disk', async () => {
    const host = `${engine.directory}/host`
    mkdirSync(host)
    writeFileSync(`${host}/file`, 'of the host')
    await create('bound', { type: 'none', o: 'bind,ro', device: host })
    const script = 'cat /b/file; touch /b/x 2>&1 | grep -o Read-only'
    assert.equal(await engine.ok('run', '--rm', '-v', 'bound:/b', image, 'sh', '-c', script), 'of the hostRead-only')
    const disk = `${engine.directory}/disk`
    await must(['sh', '-ec', `truncate -s 8M ${disk}; mkfs.ext2 -q ${disk}; losetup -f --show ${disk}`]).then(
      async (loop) => {
        try {
          await create('disk', { type: 'ext2', device: loop })
          await engine.ok('run', '--rm', '-v', 'disk:/d', image, 'sh', '-c', 'echo on disk >/d/file')
          assert.equal(await engine.ok('run', '--rm', '-v', 'disk:/d', image, 'cat', '/d/file'), 'on disk')
          assert.equal(isMounted('disk'), false)
        } finally {
          await run(['losetup', '-d', loop])
        }
      },
    )
  })

  test('what the kernel says of it comes in the words of dockerd, and passwords do not', async () => {
    const refusal = async (pairs: Record<string, string>) => {
      await create('bad', pairs)
      const { code, stderr } = await engine.docker(['run', '--rm', '-v', 'bad:/x', image, 'true'])
      await engine.ok('volume', 'rm', 'bad')
      assert.equal(code, 125)
      return stderr.split('\n')[0]
    }
    const mounting = `docker: Error response from daemon: error while mounting volume '${dataOf('bad')}': failed to mount local volume: `
    const mount = (source: string) => `${mounting}mount ${source}:${dataOf('bad')}`
    assert.equal(await refusal({ type: 'nofs', device: '/dev/nothing' }), `${mount('/dev/nothing')}: no such device`)
    assert.equal(
      await refusal({ type: 'tmpfs', device: 'x', o: 'password=secret,what=ever,ro' }),
      `${mount('x')}, flags: 0x1, data: password=********,what=ever: invalid argument`,
    )
    assert.match(
      (await refusal({ type: 'nfs', device: ':/x', o: 'addr=nobody.invalid,ro' })) ?? '',
      /error resolving passed in network volume address: lookup nobody\.invalid: /,
    )
  })
})

describe('after a kill -9 of the engine', () => {
  test('a volume stays mounted for the container that runs, and goes with it', async () => {
    await create('survivor', TMPFS)
    await sleeping('runs', '-v', 'survivor:/m')
    await engine.ok('exec', 'runs', 'sh', '-c', 'echo kept >/m/file')
    await engine.killEngine()
    await engine.start()
    assert.equal(isMounted('survivor'), true)
    assert.equal(await engine.ok('run', '--rm', '-v', 'survivor:/m', image, 'cat', '/m/file'), 'kept')
    assert.equal(isMounted('survivor'), true)
    await engine.ok('rm', '-f', 'runs')
    assert.equal(isMounted('survivor'), false)
  })

  test('a volume whose container has ended meanwhile is unmounted', async () => {
    await create('orphan', TMPFS)
    await sleeping('ends', '-v', 'orphan:/m')
    const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', 'ends')
    await engine.killEngine()
    process.kill(Number(pid), 'SIGKILL')
    assert.equal(isMounted('orphan'), true)
    await engine.start()
    await eventually('it is unmounted', 30_000, () => !isMounted('orphan'))
    await engine.ok('rm', 'ends')
    await engine.ok('volume', 'rm', 'orphan')
  })

  test('volumes are there whole with all that is known of them, and half-made ones are not', async () => {
    const described = async () => JSON.parse(await engine.ok('volume', 'inspect', 'described')) as unknown
    await engine.ok('volume', 'create', '--label', 'a=b', ...options(TMPFS), 'described')
    const before = await described()
    await engine.ok('run', '--rm', '-v', 'plain:/p', image, 'sh', '-c', 'echo kept >/p/file')
    await engine.killEngine()
    // As a crash in the middle of making and of removing leaves them.
    for (const left of ['.making-0a', '.leaving-0b']) {
      mkdirSync(`${volumes()}/${left}/_data`, { recursive: true })
      writeFileSync(`${volumes()}/${left}/_data/file`, 'left')
    }
    // From before records were kept, or from a dockerd: a directory is a volume.
    mkdirSync(`${volumes()}/adopted/_data`, { recursive: true })
    mkdirSync(`${volumes()}/newer`)
    await writeFile(`${volumes()}/newer/volume.json`, JSON.stringify({ version: 2 }))
    await engine.start()
    assert.deepEqual(await described(), before)
    assert.equal(readFileSync(`${dataOf('plain')}/file`, 'utf8'), 'kept\n')
    const isHalf = (name: string) => name.startsWith('.making') || name.startsWith('.leaving')
    await eventually('what was half made is gone', 30_000, () => !readdirSync(volumes()).some(isHalf))
    assert.equal(await engine.ok('volume', 'inspect', '-f', '{{.Mountpoint}}', 'adopted'), dataOf('adopted'))
    const newer = await engine.docker(['volume', 'create', 'newer'])
    assert.match(newer.stderr, /the record of volume newer is not usable: version 2/)
    assert.ok(existsSync(`${volumes()}/newer/volume.json`))
    await rm(`${volumes()}/newer`, { recursive: true })
  })

  test('anonymous volumes stay with their container, and go where its creation or removal was cut short', async () => {
    await sleeping('owner', '-v', '/anonymous')
    await engine.ok('create', '--name', 'first', '-v', '/anonymous', image)
    await engine.ok('create', '--name', 'heir', '--volumes-from', 'first', image)
    await engine.ok('rm', 'first')
    const [kept = ''] = (await engine.ok('inspect', '-f', '{{range .Mounts}}{{.Name}}{{end}}', 'owner')).split('\n')
    await engine.killEngine()
    // The marks of a container that never got a record, and of one whose record is gone already.
    const lost = 'f'.repeat(64)
    mkdirSync(`${volumes()}/${lost}/_data`, { recursive: true })
    writeFileSync(`${volumes()}/${lost}/unclaimed`, '0'.repeat(64))
    writeFileSync(`${volumes()}/${kept}/unclaimed`, await idOf('owner'))
    const inherited = await nameOf('heir')
    writeFileSync(`${volumes()}/${inherited}/unclaimed`, '0'.repeat(64))
    await engine.start()
    assert.ok(existsSync(dataOf(inherited)), 'another container has it')
    await engine.ok('rm', '-v', 'heir')
    assert.equal(existsSync(`${volumes()}/${lost}`), false)
    assert.ok(existsSync(dataOf(kept)))
    assert.equal(existsSync(`${volumes()}/${kept}/unclaimed`), false)
    await engine.ok('rm', '-f', 'owner')
    await engine.killEngine()
    await engine.start()
    assert.ok(existsSync(dataOf(kept)), 'rm without -v leaves it for good')
    await engine.ok('volume', 'rm', kept)
  })
})

/** Of the one volume that it has. */
async function nameOf(container: string): Promise<string> {
  const record = readFileSync(`${engine.directory}/data/containers/${await idOf(container)}/container.json`, 'utf8')
  const { mountPoints } = JSON.parse(record) as { mountPoints: [{ name: string }] }
  return mountPoints[0].name
}

async function idOf(name: string): Promise<string> {
  const records = readdirSync(`${engine.directory}/data/containers`)
  const found = records.find((id) =>
    readFileSync(`${engine.directory}/data/containers/${id}/container.json`, 'utf8').includes(`"name":"${name}"`),
  )
  assert.ok(found !== undefined)
  return found
}

test('a volume that fails to be made leaves nothing, and one in use is refused with the ids of who uses it', async () => {
  const before = readdirSync(volumes())
  await engine.docker(['volume', 'create', '-o', 'size=1g', 'bad'])
  await engine.docker(['create', '-v', '/anonymous', '-v', 'fresh:/bin/busybox', image])
  assert.deepEqual(readdirSync(volumes()).sort(), [...before, 'fresh'].sort())
  const id = await engine.ok('create', '-v', 'fresh:/x', image)
  const refused = await engine.docker(['volume', 'rm', '-f', 'fresh'])
  assert.equal(refused.stderr.trim(), `Error response from daemon: remove fresh: volume is in use - [${id}]`)
  await engine.ok('rm', id)
  await engine.ok('volume', 'rm', 'fresh')
})

test('a data root that is reached over a link is the same: what is mounted is found again', async () => {
  await mkdir('/tmp/berth-linked')
  await symlink(`${engine.directory}/elsewhere`, '/tmp/berth-linked/data')
  await mkdir(`${engine.directory}/elsewhere`)
  const linked = await startEngine({ directory: '/tmp/berth-linked' })
  try {
    await linked.ok('volume', 'create', ...options(TMPFS), 'memory')
    await linked.ok('pull', '-q', image)
    const id = await linked.ok('run', '-d', '-v', 'memory:/m', image, 'sleep', '1000')
    const mounted = () => readFileSync('/proc/self/mounts', 'utf8').split(`/elsewhere/volumes/memory/_data `).length - 1
    assert.equal(mounted(), 1)
    await linked.ok('run', '--rm', '-v', 'memory:/m', image, 'true')
    assert.equal(mounted(), 1)
    await linked.ok('rm', '-f', id)
    assert.equal(mounted(), 0)
  } finally {
    await linked[Symbol.asyncDispose]()
  }
})

test('what somebody has mounted in a volume is not removed with it', async () => {
  await engine.ok('volume', 'create', 'holder')
  const inner = `${dataOf('holder')}/inner`
  mkdirSync(inner)
  await must(['mount', '-t', 'tmpfs', 'inner', inner])
  writeFileSync(`${inner}/file`, 'of somebody')
  const refused = await engine.docker(['volume', 'rm', 'holder'])
  assert.match(refused.stderr, /remove holder: error removing volume path '.*\/inner': device or resource busy/)
  assert.equal(readFileSync(`${inner}/file`, 'utf8'), 'of somebody')
  await must(['umount', inner])
  await engine.ok('volume', 'rm', 'holder')
})

test('a volume whose directories lie deeper than any path reaches is removed, and keeps no engine from starting', async () => {
  const deepen = (top: string) => {
    const before = process.cwd()
    process.chdir(top)
    for (let depth = 0; depth < 30; depth++) {
      mkdirSync('d'.repeat(200))
      process.chdir('d'.repeat(200))
    }
    process.chdir(before)
  }
  await engine.ok('volume', 'create', 'deep')
  deepen(dataOf('deep'))
  await engine.ok('volume', 'rm', 'deep')
  assert.deepEqual(
    readdirSync(volumes()).filter((name) => /deep|leaving/.test(name)),
    [],
  )
  await engine.killEngine()
  mkdirSync(`${volumes()}/.leaving-0c`)
  deepen(`${volumes()}/.leaving-0c`)
  await engine.start()
  await eventually('it is gone', 30_000, () => !existsSync(`${volumes()}/.leaving-0c`))
})

test('events tell of each volume made, mounted, unmounted and removed', async () => {
  const since = String(Date.now() / 1000)
  await engine.ok('volume', 'create', 'told')
  const id = await engine.ok('run', '-d', '-v', 'told:/t:ro', image, 'true')
  await engine.ok('wait', id)
  await engine.ok('rm', id)
  await engine.ok('volume', 'rm', 'told')
  await engine.ok('volume', 'prune', '-f')
  const until = String(Date.now() / 1000 + 1)
  const format = '{{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}'
  const filters = ['--filter', 'type=volume', '--format', format]
  assert.deepEqual((await engine.ok('events', '--since', since, '--until', until, ...filters)).split('\n'), [
    'create told {"driver":"local"}',
    `mount told {"container":"${id}","destination":"/t","driver":"local","propagation":"","read/write":"false"}`,
    `unmount told {"container":"${id}","driver":"local"}`,
    'destroy told {"driver":"local"}',
    'prune  {"reclaimed":"0"}',
  ])
})
