// Logs when things go wrong: rotation under many followers, files that an administrator empties or deletes, full disks, daemons and shims that are killed,
// followers that do not read.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must, run } from '../harness/command.ts'
import { containerFile, untilExited } from '../harness/log-engines.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

const sequence = (to: number, from = 1) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const numbersOf = (text: string) => text.split('\n').flatMap((line) => (line === '' ? [] : [Number(line)]))
/** Something that only the container's own process sees. */
const write = (id: string, text: string) => engine.ok('exec', id, 'sh', '-c', `echo '${text}' >/proc/1/fd/1`)

for (const driver of ['json-file', 'local'])
  test(`ten followers of ${driver} lose and repeat nothing while it is rotated and compressed`, async () => {
    const options = [
      '--log-driver',
      driver,
      '--log-opt',
      'max-size=30k',
      '--log-opt',
      'max-file=3',
      '--log-opt',
      'compress=true',
    ]
    const script = 'read go; for i in $(seq 0 59); do seq $((i * 200 + 1)) $((i * 200 + 200)); sleep 0.05; done'
    const id = await engine.ok('create', '-i', ...options, image, 'sh', '-c', script)
    await engine.ok('start', id)
    const followers = Array.from({ length: 10 }, () => engine.docker(['logs', '-f', id], { timeoutMs: 120_000 }))
    await run(['docker', '-H', engine.host, 'attach', id], { input: 'go\n', timeoutMs: 120_000 })
    for (const follower of await Promise.all(followers)) assert.deepEqual(numbersOf(follower.stdout), sequence(12_000))
    await engine.ok('rm', '-f', id)
  })

test('a log that was emptied, renamed away or deleted goes on in a file of its name, and so do followers', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  const path = containerFile(engine.directory, id, `${id}-json.log`)
  const follower = engine.docker(['logs', '-f', id], { timeoutMs: 120_000 })
  const logged = (text: string) => eventually(`${text} is logged`, 30_000, () => read(path).includes(text))
  await write(id, 'first')
  await logged('first')
  truncateSync(path, 0)
  await write(id, 'second')
  await logged('second')
  assert.equal(await engine.ok('logs', id), 'second')
  rmSync(path)
  await write(id, 'third')
  await logged('third')
  assert.equal(await engine.ok('logs', id), 'third')
  renameSync(path, `${path}.old`)
  await write(id, 'fourth') // goes to the file it has, as logrotate expects of who is not told
  truncateSync(`${path}.old`, 0)
  rmSync(`${path}.old`)
  await write(id, 'fifth')
  await logged('fifth')
  await engine.ok('rm', '-f', id)
  const seen = (await follower).stdout.trim().split('\n')
  assert.deepEqual(
    seen.filter((line) => line !== 'fourth'),
    ['first', 'second', 'third', 'fifth'],
  )
})

const read = (path: string) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

test('a full disk neither stops nor kills a container; the log tells what is missing, and goes on', async () => {
  const id = await engine.ok(
    'create',
    '--log-driver',
    'local',
    image,
    'sh',
    '-c',
    'seq 1 50000; touch /through; sleep 1000',
  )
  const directory = containerFile(engine.directory, id, 'local-logs')
  await must(['sh', '-c', `mkdir -p '${directory}' && mount -t tmpfs -o size=400k none '${directory}'`])
  try {
    writeFileSync(`${directory}/filler`, Buffer.alloc(200 << 10))
    await engine.ok('start', id)
    await eventually(
      'it is through',
      60_000,
      async () => (await engine.docker(['exec', id, 'cat', '/through'])).code === 0,
    )
    const before = numbersOf(await engine.ok('logs', id))
    assert.ok(before.length > 100 && before.length < 50_000)
    assert.deepEqual(before, sequence(before.length))
    rmSync(`${directory}/filler`)
    await write(id, 'after')
    await eventually('the log goes on', 30_000, async () => (await engine.ok('logs', id)).endsWith('after'))
    const { stderr } = await engine.docker(['logs', id])
    assert.equal(stderr, `berth: ${50_000 - before.length} log entries could not be written and are lost\n`)
    await engine.ok('rm', '-f', id)
  } finally {
    await run(['umount', '-l', directory])
  }
})

test('a disk without room for one more file costs no log: the last file grows', async () => {
  const bounds = ['max-size=20k', 'max-file=9', 'compress=false'].flatMap((option) => ['--log-opt', option])
  const script =
    'for i in $(seq 0 49); do seq $((i * 200 + 1)) $((i * 200 + 200)); sleep 0.01; done; touch /through; sleep 1000'
  const id = await engine.ok('create', '--log-driver', 'local', ...bounds, image, 'sh', '-c', script)
  const directory = containerFile(engine.directory, id, 'local-logs')
  // The directory itself is one of the inodes.
  await must(['sh', '-c', `mkdir -p '${directory}' && mount -t tmpfs -o size=8m,nr_inodes=5 none '${directory}'`])
  try {
    await engine.ok('start', id)
    await eventually(
      'it is through',
      60_000,
      async () => (await engine.docker(['exec', id, 'cat', '/through'])).code === 0,
    )
    assert.deepEqual(numbersOf(await engine.ok('logs', id)), sequence(10_000))
    assert.equal(readdirSync(directory).length, 4)
    await engine.ok('rm', '-f', id)
  } finally {
    await run(['umount', '-l', directory])
  }
})

test('kill -9 of the engine while a container logs: nothing is lost, nothing is there twice', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    image,
    'sh',
    '-c',
    'for i in $(seq 0 99); do seq $((i * 1000 + 1)) $((i * 1000 + 1000)); sleep 0.02; done',
  )
  await eventually('it has begun', 30_000, async () => (await engine.ok('logs', '-n', '1', id)) !== '')
  for (let times = 0; times < 2; times++) {
    await engine.killEngine()
    await engine.start()
  }
  await untilExited(engine, id)
  assert.deepEqual(numbersOf(await engine.ok('logs', id)), sequence(100_000))
  await engine.ok('rm', id)
})

test('kill -9 of the shim: what it took is there, whole, and once', async () => {
  const id = await engine.ok('run', '-d', image, 'sh', '-c', 'i=1; while :; do echo $i; i=$((i+1)); done')
  const follower = engine.docker(['logs', '-f', id], { timeoutMs: 120_000 })
  await eventually('it has begun', 30_000, async () => Number(await engine.ok('logs', '-n', '1', id)) > 5000)
  const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', id)
  const shim = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1])
  assert.match(readFileSync(`/proc/${shim}/cmdline`, 'utf8'), /berth-shim|moby\//)
  process.kill(shim, 'SIGKILL')
  await untilExited(engine, id)
  const kept = numbersOf(await engine.ok('logs', id))
  assert.deepEqual(kept, sequence(kept.length))
  assert.deepEqual(numbersOf((await follower).stdout), kept)
  await engine.ok('rm', '-f', id)
})

test('a follower that does not read holds nobody up, and costs the engine little', async () => {
  const id = await engine.ok(
    'create',
    '--log-opt',
    'max-size=50m',
    '--log-opt',
    'max-file=5',
    image,
    'sh',
    '-c',
    `yes $(printf %0100d 0) | head -n 1000000`,
  )
  await engine.ok('start', id)
  const stuck = connect(engine.socketPath)
  stuck.on('error', () => {})
  stuck.write(`GET /v1.45/containers/${id}/logs?follow=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\n\r\n`)
  stuck.pause()
  await untilExited(engine, id)
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${engine.enginePid()}/status`, 'utf8'))?.[1])
  assert.ok(rss < 400_000, `${rss} KiB`)
  stuck.destroy()
  assert.equal((await engine.ok('logs', '-n', '3', id)).split('\n').length, 3)
  await engine.ok('rm', '-f', id)
})
