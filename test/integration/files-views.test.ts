// What a copy sees of a container's mounts, and what the host sees of the copy: nothing. And what is left of copies that nobody wants any more.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let image: string

before(async () => {
  engine = await startEngine()
  await using registry = await startRegistry(join(engine.directory, 'registry'))
  await pushBusybox(registry.host, 'busybox:latest', { Cmd: ['sleep', '1000'] })
  image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  mkdirSync(join(engine.directory, 'files'))
  writeFileSync(file('small'), 'small\n')
})

after(() => engine[Symbol.asyncDispose]())

const file = (name: string) => join(engine.directory, 'files', name)
const create = (name: string, ...args: string[]) => engine.ok('create', '--name', name, '--net', 'none', ...args, image)
const run = (name: string, ...args: string[]) => engine.ok('run', '-d', '--name', name, '--net', 'none', ...args, image)

/** The mounts of those threads of the engine that do not see the host's, a line each. */
function viewMounts(): string[][] {
  const pid = engine.enginePid()
  const tables = readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return [readFileSync(`/proc/${pid}/task/${task}/mountinfo`, 'utf8')]
    } catch {
      return [] // it has just ended
    }
  })
  const own = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  return tables.filter((table) => table !== own).map((table) => table.trim().split('\n'))
}

/** Asks for an archive and reads nothing of it. */
function download(path: string): { asked: ClientRequest; answered: Promise<IncomingMessage> } {
  const asked = request({ socketPath: engine.socketPath, path })
  const answered = new Promise<IncomingMessage>((resolve, reject) =>
    asked.once('response', resolve).once('error', reject),
  )
  answered.catch(() => {})
  asked.end()
  return { asked, answered }
}

test('a volume in a bind whose mounts the host shares is mounted for the copy alone', async () => {
  const shared = join(engine.directory, 'shared')
  mkdirSync(shared)
  await must(['mount', '-t', 'tmpfs', 'shared', shared])
  await must(['mount', '--make-shared', shared])
  try {
    mkdirSync(join(shared, 'sub'))
    await engine.ok('run', '--rm', '--net', 'none', '-v', 'inner:/v', image, 'touch', '/v/of-the-volume')
    await create('nested', '-v', `${shared}:/data`, '-v', 'inner:/data/sub')
    for (const args of [
      ['cp', 'nested:/data', file('nested')],
      ['cp', file('small'), 'nested:/data/sub'],
    ])
      await engine.ok(...args)
    assert.deepEqual(readdirSync(file('nested/sub')), ['of-the-volume'])
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${shared}/sub `))
    assert.deepEqual(readdirSync(join(shared, 'sub')), [])
    await engine.ok('rm', '-v', 'nested')
  } finally {
    await must(['umount', '-l', shared])
  }
})

test("the host's procfs, bound into a container that does not run, leads nowhere", async () => {
  await create('host-proc', '-v', '/proc:/host/proc', '-v', '/proc/1:/one')
  for (const path of ['/host/proc/1/root/etc/passwd', '/host/proc/self/root/etc', '/one/root/etc/passwd']) {
    const result = await engine.docker(['cp', `host-proc:${path}`, file('stolen')])
    assert.match(result.stderr, /Could not find the file/, path)
  }
  const planted = await engine.docker(['cp', file('small'), 'host-proc:/host/proc/self/root/tmp/berth-planted'])
  assert.notEqual(planted.code, 0)
  assert.ok(!existsSync('/tmp/berth-planted'))
  await engine.ok('rm', 'host-proc')
})

test('a procfs that a container has hidden below another mount stays out of reach', async () => {
  await run('hidden', '--privileged')
  await engine.ok(
    'exec',
    'hidden',
    'sh',
    '-c',
    'mkdir /c; mount -t proc proc /c; mount -t tmpfs over /c; mount -t tmpfs over /c',
  )
  const result = await engine.docker(['cp', 'hidden:/c/1/root/etc/passwd', file('stolen')])
  assert.match(result.stderr, /Could not find the file/)
  await engine.ok('rm', '-f', 'hidden')
})

test('no device can be opened through a view, however it came there', async () => {
  await run('devices', '-v', 'some:/volume')
  await engine.ok('exec', 'devices', 'sh', '-c', 'head -c 4000000 /dev/zero > /large')
  await create('devices-not', '-v', 'some:/volume')
  await engine.ok('cp', 'devices:/large', file('large'))
  await engine.ok('cp', file('large'), 'devices-not:/large')
  for (const path of ['devices/archive?path=/large', 'devices/export', 'devices-not/archive?path=/large']) {
    const { asked, answered } = download(`/containers/${path}`)
    await answered
    const [mounts = []] = viewMounts()
    assert.ok(mounts.length > 0)
    for (const line of mounts) assert.match(line.split(' ')[5] ?? '', /(?:^|,)nodev(?:,|$)/, `${path}: ${line}`)
    asked.destroy()
    await eventually('its thread has gone', 30_000, () => viewMounts().length === 0)
  }
  await engine.ok('rm', '-f', '-v', 'devices', 'devices-not')
})

test('a copy whose turn comes after a start is one into a container that runs', async () => {
  await engine.ok('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'memory')
  await create('turns', '-v', 'memory:/memory')
  const first = spawn('docker', ['-H', engine.host, 'cp', '-', 'turns:/tmp'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const ended = once(first, 'exit')
  first.stdin.write(Buffer.alloc(10_240))
  await eventually('the engine is at it', 30_000, () => viewMounts().length > 0)
  const started = call(engine.socketPath, 'POST /containers/turns/start')
  await engine.ok('version')
  const copied = engine.ok('cp', file('small'), 'turns:/memory')
  const read = engine.ok('cp', 'turns:/etc/passwd', file('read'))
  await engine.ok('version')
  first.stdin.end()
  await Promise.all([ended, started, copied, read])
  const source = await engine.ok('volume', 'inspect', '-f', '{{.Mountpoint}}', 'memory')
  assert.ok(readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${source} `), 'the container has its volume')
  assert.equal(await engine.ok('exec', 'turns', 'cat', '/memory/small'), 'small')
  await engine.ok('rm', '-f', 'turns')
  await engine.ok('volume', 'rm', 'memory')
})

test('clients that wait for their turn and go away take no turn', async () => {
  await run('busy')
  await engine.ok('exec', 'busy', 'sh', '-c', 'head -c 2000000 /dev/zero > /large')
  const path = '/containers/busy/archive?path=/large'
  const slow = Array.from({ length: 12 }, () => download(path))
  await Promise.all(slow.map(({ answered }) => answered))
  const impatient = Array.from({ length: 20 }, () => download(path))
  await engine.ok('version')
  const last = download(path)
  await engine.ok('version')
  for (const { asked } of impatient) asked.destroy()
  await engine.ok('version')
  slow[0]?.asked.destroy()
  assert.equal((await last.answered).statusCode, 200)
  for (const { asked } of [...slow, last]) asked.destroy()
  await eventually('no thread is left', 30_000, () => viewMounts().length === 0)
  await engine.ok('rm', '-f', 'busy')
})

test('what decompresses an upload ends with it, also where it fails', async () => {
  await create('upload')
  // The first entry fails while most of what the archive holds is still to come.
  mkdirSync(file('up/etc'), { recursive: true })
  await must(
    ['sh', '-c', 'head -c 100000000 /dev/zero > zeros; rm -r etc; echo x > etc; tar -cJf up.tar.xz etc zeros'],
    {
      cwd: file('up'),
    },
  )
  const answer = await must([
    ...['curl', '-s', '--unix-socket', engine.socketPath, '-X', 'PUT', '-T', file('up/up.tar.xz')],
    'http://x/containers/upload/archive?path=/&noOverwriteDirNonDir=1',
  ])
  assert.match(answer, /cannot overwrite directory/)
  await eventually('it has ended', 30_000, () => !childrenOf(engine.enginePid()).includes('xz'))
  assert.equal((await call(engine.socketPath, 'GET /_ping')).body, 'OK')
  await engine.ok('rm', 'upload')
})

test('no program of the container is run, whatever an upload needs', async () => {
  const ran = '/tmp/berth-decoder-ran'
  await create('programs')
  for (const name of ['xz', 'bzip2']) writeFileSync(file(name), `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 })
  for (const path of ['/bin', '/usr/bin'].flatMap((bin) => ['xz', 'bzip2'].map((name) => `${bin}/${name}`)))
    await engine.docker(['cp', file(path.slice(path.lastIndexOf('/') + 1)), `programs:${path}`])
  for (const [flag, end] of [
    ['J', 'xz'],
    ['j', 'bz2'],
  ]) {
    await must(['tar', `-c${flag}f`, file(`archive.${end}`), '-C', file('.'), 'small'])
    const curl = ['curl', '-sf', '--unix-socket', engine.socketPath, '-X', 'PUT', '-T', file(`archive.${end}`)]
    await must([...curl, 'http://x/containers/programs/archive?path=/tmp'])
  }
  await engine.ok('cp', 'programs:/tmp', file('arrived'))
  assert.deepEqual(readdirSync(file('arrived')), ['small'])
  assert.ok(!existsSync(ran))
  await engine.ok('rm', 'programs')
})

function childrenOf(parent: number): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const [, name = '', rest = ''] = /^\d+ \((.*)\) \S (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
      return rest.startsWith(`${parent} `) ? [name] : []
    } catch {
      return [] // no process, or none any more
    }
  })
}
