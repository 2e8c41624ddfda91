// What goes wrong in the middle of copies and commits: full disks, clients that go away, containers whose links change under us.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { listLeavings } from '../harness/leavings.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let directory: string
let engine: TestEngine
let registry: TestRegistry
let image: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-test-'))
  for (const name of ['data', 'exec', 'registry', 'files']) mkdirSync(join(directory, name))
  await must(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'disk', join(directory, 'data')])
  engine = await startEngine({ directory, cgroups: 'own' })
  registry = await startRegistry(join(directory, 'registry'))
  await pushBusybox(registry.host, 'busybox:latest', { Cmd: ['sleep', '1000'] })
  image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  writeFileSync(join(directory, 'files/large'), Buffer.alloc(80_000_000, 'x'))
  writeFileSync(join(directory, 'files/small'), 'small\n')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  const ids = await engine.docker(['ps', '-aq'])
  if (ids.stdout.trim() !== '') await engine.docker(['rm', '-f', '-v', ...ids.stdout.trim().split('\n')])
  await engine.stop()
  await must(['umount', '-l', join(directory, 'data')])
  await rm(directory, { recursive: true, force: true })
})

const file = (name: string) => join(directory, 'files', name)

/** Threads and mounts of the engine, and what it holds open below /proc/<pid>/ns. */
function held(): { threads: number; namespaces: number } {
  const pid = engine.enginePid()
  const links = readdirSync(`/proc/${pid}/task`).length
  const mounts = new Set(
    readdirSync(`/proc/${pid}/task`).flatMap((task) => {
      try {
        return [readFileSync(`/proc/${pid}/task/${task}/mountinfo`, 'utf8').split('\n').length]
      } catch {
        return [] // it has just ended
      }
    }),
  )
  return { threads: links, namespaces: mounts.size }
}

for (const state of ['running', 'stopped'] as const)
  test(`a copy into a ${state} container that does not fit fails in plain words, and goes well when there is room`, async () => {
    await engine.ok('run', '-d', '--name', state, '--net', 'none', image)
    if (state === 'stopped') await engine.ok('kill', state)
    const result = await engine.docker(['cp', file('large'), `${state}:/tmp`])
    assert.equal(result.code, 1)
    assert.match(result.stderr, /no space left on device/)
    await engine.ok('cp', file('small'), `${state}:/tmp/large`)
    await engine.ok('cp', `${state}:/tmp/large`, file('back'))
    assert.equal(readFileSync(file('back'), 'utf8'), 'small\n')
    if (state === 'stopped') await engine.ok('start', state)
    assert.equal(await engine.ok('exec', state, 'cat', '/tmp/large'), 'small')
    await engine.ok('rm', '-f', state)
  })

test('a commit that does not fit fails with no space left on device, and leaves nothing', async () => {
  await engine.ok('run', '-d', '--name', 'full', '--net', 'none', image)
  await engine.ok('exec', 'full', 'sh', '-c', 'head -c 20000000 /dev/urandom > /random')
  const rest = await listLeavings(engine)
  const path = join(directory, 'data/ballast')
  const { bavail, bsize } = statfsSync(join(directory, 'data'))
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - 8_000_000)))
  const result = await engine.docker(['commit', 'full', 'full:1'])
  rmSync(path)
  assert.equal(result.code, 1)
  assert.match(result.stderr, /no space left on device/)
  const mine = (lines: readonly string[]) => lines.filter((line) => /^(?:blob|ingest|snapshot|leases) /.test(line))
  await eventually('nothing is left', 30_000, async () => {
    const left = mine(await listLeavings(engine)).filter((line) => !rest.includes(line))
    return left.length === 0 || Promise.reject(new Error(left.join(', ')))
  })
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Status}}', 'full'), 'running')
  await engine.ok('rm', '-f', 'full')
})

test('a client that goes away in the middle of a copy ends it, and a stopped container can be started at once', async () => {
  await engine.ok('create', '--name', 'slow', '--net', 'none', image)
  const client = spawn('docker', ['-H', engine.host, 'cp', '-', 'slow:/tmp'], { stdio: ['pipe', 'ignore', 'ignore'] })
  client.stdin.on('error', () => {})
  client.stdin.write(Buffer.alloc(100_000, readFileSync(file('large')).subarray(0, 1)))
  await eventually('the engine is at it', 30_000, () => held().namespaces > 1)
  const started = engine.ok('start', 'slow')
  client.kill('SIGKILL')
  await started
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Status}}', 'slow'), 'running')
  await eventually('its thread and its mounts are gone', 30_000, () => held().namespaces === 1)
  await engine.ok('rm', '-f', 'slow')
})

test('kill -9 in the middle of a copy leaves no mount, and the container starts with what had come', async () => {
  await engine.ok('create', '--name', 'killed', '--net', 'none', image)
  const client = spawn('docker', ['-H', engine.host, 'cp', '-', 'killed:/tmp'], { stdio: ['pipe', 'ignore', 'ignore'] })
  client.stdin.on('error', () => {})
  client.stdin.write(Buffer.alloc(100_000, 'x'))
  await eventually('the engine is at it', 30_000, () => held().namespaces > 1)
  await engine.killEngine()
  client.kill('SIGKILL')
  await engine.start()
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(join(directory, 'data/')))
  await engine.ok('start', 'killed')
  await engine.ok('rm', '-f', 'killed')
})

test('links that change all the time lead nowhere but into the container', async () => {
  writeFileSync('/tmp/berth-secret-outside', 'of the host\n')
  await engine.ok(
    'run',
    '-d',
    '--name',
    'racer',
    '--net',
    'none',
    image,
    'sh',
    '-c',
    'mkdir -p /a/real /tmp/host; echo inner > /a/real/berth-secret-outside; while :; do ln -sfn /tmp /a/x; ln -sfn /a/real /a/x; ln -sfn ../../../../../../tmp /a/x; done',
  )
  for (let round = 0; round < 25; round++) {
    await engine.docker(['cp', 'racer:/a/x/berth-secret-outside', file('stolen')])
    if (existsSync(file('stolen'))) assert.equal(readFileSync(file('stolen'), 'utf8'), 'inner\n')
    await engine.docker(['cp', file('small'), 'racer:/a/x/berth-planted'])
    assert.ok(!existsSync('/tmp/berth-planted'))
  }
  rmSync('/tmp/berth-secret-outside')
  await engine.ok('rm', '-f', 'racer')
})

test("a running container's processes are out of reach by their files in /proc", async () => {
  await engine.ok('run', '-d', '--name', 'proc', '--net', 'none', image)
  for (const path of ['/proc/1/root/etc/passwd', '/proc/self/root', '/proc/1/cwd']) {
    const result = await engine.docker(['cp', `proc:${path}`, file('stolen-proc')])
    assert.match(result.stderr, /Could not find the file/, path)
  }
  await engine.ok('rm', '-f', 'proc')
})
