// Disks that are full or read-only: an error in plain words, nothing half made, and everything works again when there is room.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAlive, startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { pushBusybox, pushImage } from '../harness/images.ts'
import { listLeavings, makeInitLayer, nothingBut, nothingButKept } from '../harness/leavings.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let directory: string
let engine: TestEngine
let registry: TestRegistry
let image: string
let rest: string[]

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-test-'))
  for (const name of ['data', 'exec', 'registry']) mkdirSync(join(directory, name))
  await must(['mount', '-t', 'tmpfs', '-o', 'size=48m', 'disk', join(directory, 'data')])
  await must(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'disk', join(directory, 'exec')])
  engine = await startEngine({ directory, cgroups: 'own' })
  registry = await startRegistry(join(directory, 'registry'))
  await pushBusybox(registry.host)
  image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  await makeInitLayer(engine, image)
  rest = await listLeavings(engine)
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  const ids = await engine.docker(['ps', '-aq'])
  if (ids.stdout.trim() !== '') await engine.docker(['rm', '-f', '-v', ...ids.stdout.trim().split('\n')])
  await engine.stop()
  await must(['umount', '-l', join(directory, 'data'), join(directory, 'exec')])
  await rm(directory, { recursive: true, force: true })
})

/** Leaves so many bytes. Returns what makes room again. */
function fill(name: 'data' | 'exec', leaveBytes: number): () => void {
  const path = join(directory, name, 'ballast')
  const { bavail, bsize } = statfsSync(join(directory, name))
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - leaveBytes)))
  return () => rmSync(path, { force: true })
}

test('a pull that does not fit fails with no space left on device, and leaves nothing', async () => {
  const tar = join(tmpdir(), `berth-large-${process.pid}.tar`)
  await must([
    'sh',
    '-c',
    `head -c 60000000 /dev/urandom > ${tar}.x && tar -cf ${tar} -C / ${tar.slice(1)}.x && rm ${tar}.x`,
  ])
  await pushImage(registry.host, 'large:1', { layers: [{ tar, compression: 'none' }], config: {} })
  rmSync(tar)
  const blob = await engine.docker(['pull', `${registry.host}/large:1`])
  assert.equal(blob.code, 1)
  assert.match(blob.stderr, /no space left on device/)
  await nothingBut(rest, engine)
})

test('a layer that fits packed but not unpacked fails the same way; what came of it is kept until its room is wanted', async () => {
  const tar = join(tmpdir(), `berth-sparse-${process.pid}.tar`)
  await must([
    'sh',
    '-c',
    `head -c 60000000 /dev/zero > ${tar}.x && tar -cf ${tar} -C / ${tar.slice(1)}.x && rm ${tar}.x`,
  ])
  await pushImage(registry.host, 'zeros:1', { layers: [{ tar, compression: 'gzip' }], config: {} })
  rmSync(tar)
  const layer = await engine.docker(['pull', `${registry.host}/zeros:1`])
  assert.equal(layer.code, 1)
  assert.match(layer.stderr, /no space left on device/)
  await nothingButKept(rest, engine)
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'fine'), 'fine')
  assert.match((await listLeavings(engine)).join('\n'), /^leases pulled-/m)
  await engine.ok('image', 'prune', '-f')
  await nothingBut(rest, engine)
})

for (const leaveBytes of [0, 4096, 16_384]) {
  test(`with ${leaveBytes} bytes left on the data root nothing is half made, and room is all it takes`, async () => {
    const running = await engine.ok('run', '-d', image, 'sh', '-c', 'while :; do echo line; usleep 10000; done')
    const makeRoom = fill('data', leaveBytes)
    try {
      const full = await engine.docker(['run', '--rm', '--name', 'full', image, 'true'])
      if (full.code !== 0) assert.match(full.stderr, /no space left on device/)
      const write = await engine.docker(['exec', running, 'sh', '-c', 'head -c 1000000 /dev/zero > /file'])
      assert.match(write.stderr, /No space left on device|I\/O error/)
      assert.ok(isAlive(engine.enginePid()) && isAlive(engine.containerdPid()))
      assert.match(await engine.ok('ps'), /Up/)
    } finally {
      makeRoom()
    }
    assert.equal(await engine.ok('run', '--rm', '--name', 'full', image, 'echo', 'fine'), 'fine')
    await engine.ok('rm', '-f', running)
    await nothingBut(rest, engine)
  })
}

test('a full exec root stops a start with a word; removing and stopping still work', async () => {
  const running = await engine.ok('run', '-d', image, 'sleep', '1000')
  const makeRoom = fill('exec', 0)
  try {
    const full = await engine.docker(['run', '--rm', '--name', 'full', image, 'true'])
    assert.notEqual(full.code, 0)
    assert.match(full.stderr, /no space left on device/)
    await engine.ok('rm', '-f', running)
    await nothingBut(rest, engine)
  } finally {
    makeRoom()
  }
  assert.equal(await engine.ok('run', '--rm', '--name', 'full', image, 'echo', 'fine'), 'fine')
  await nothingBut(rest, engine)
})

test('a container can be removed though the disk is full to the last byte', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  const makeRoom = fill('data', 0)
  try {
    await engine.ok('rm', '-f', id)
    await nothingBut(rest, engine)
  } finally {
    makeRoom()
  }
})

test('a daemon that is killed on a full disk comes back', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  const makeRoom = fill('data', 0)
  try {
    await engine.killEngine()
    await engine.killContainerd()
    await engine.start()
    assert.match(await engine.ok('ps', '-q', '--no-trunc'), new RegExp(id))
    await engine.ok('rm', '-f', id)
  } finally {
    makeRoom()
  }
  await nothingBut(rest, engine)
})

test('on a read-only data root the engine says why it does not start', async () => {
  await engine.stop()
  await must(['mount', '-o', 'remount,ro', join(directory, 'data')])
  try {
    await assert.rejects(engine.start(), /berthd ended: [\s\S]*read-only file system/i)
    assert.ok(!existsSync(join(directory, 'engine.sock')))
  } finally {
    await must(['mount', '-o', 'remount,rw', join(directory, 'data')])
    await engine.start()
  }
})

test('a data root that becomes read-only under a running engine is told, and lived through', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  await must(['mount', '-o', 'remount,ro', join(directory, 'data')]).catch(() => run(['true']))
  const refused = await engine.docker(['create', image, 'true'])
  await must(['mount', '-o', 'remount,rw', join(directory, 'data')])
  if (refused.code !== 0) assert.match(refused.stderr, /read-only file system/)
  await engine.ok('rm', '-f', id)
  await engine.docker(['container', 'prune', '-f'])
  await eventually('nothing is there', 5000, async () => (await engine.ok('ps', '-aq')) === '')
  await nothingBut(rest, engine)
})
