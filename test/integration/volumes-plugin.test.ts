// Volumes of a plugin: a server of ours that speaks the volume plugin protocol, found where Docker looks for plugins.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'
import { startVolumePlugin, type VolumePlugin } from '../harness/volume-plugin.ts'

let engine: BusyboxEngine
let plugin: VolumePlugin
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
  plugin = await startVolumePlugin(`${engine.directory}/of-the-plugin`)
})

after(async () => {
  await engine[Symbol.asyncDispose]()
  await plugin[Symbol.asyncDispose]()
})

/** What the plugin is asked by `work`, but for looking. */
async function askedBy(work: () => Promise<unknown>): Promise<string[]> {
  plugin.asked.length = 0
  await work()
  return plugin.asked
    .filter((line) => !/^(Get|List|Path)/.test(line))
    .map((line) => line.replace(/[0-9a-f]{64}/, '<id>'))
}

test('a volume is made, shown with its status, listed and removed by its driver', async () => {
  const made = () => engine.ok('volume', 'create', '-d', plugin.name, '-o', 'replicas=3', '--label', 'a=b', 'far/data')
  assert.deepEqual(await askedBy(made), ['Create far/data'])
  assert.deepEqual(await askedBy(made), [], 'it is there already')
  const [shown] = JSON.parse(await engine.ok('volume', 'inspect', 'far/data')) as [object]
  assert.deepEqual(shown, {
    ...{ CreatedAt: '2026-01-02T03:04:05Z', Driver: plugin.name, Labels: { a: 'b' }, Mountpoint: '', Name: 'far/data' },
    ...{ Options: { replicas: '3' }, Scope: 'global', Status: { holders: 0 } },
  })
  assert.equal(await engine.ok('volume', 'ls', '-f', `driver=${plugin.name}`, '-q'), 'far/data')
  assert.match(await engine.ok('info', '-f', '{{json .Plugins.Volume}}'), new RegExp(`"${plugin.name}","local"`))
  const other = await engine.docker(['volume', 'create', '-d', 'local', 'far/data'])
  const conflict = `create far/data: driver '${plugin.name}' already has volume 'far/data': volume name must be unique`
  assert.equal(other.stderr.trim(), `Error response from daemon: ${conflict}`)
  assert.deepEqual(await askedBy(() => engine.ok('volume', 'rm', 'far/data')), ['Remove far/data'])
})

test('a container mounts it for its run, and it is filled with what the image has there', async () => {
  const run = () =>
    engine.ok('run', '--rm', '--volume-driver', plugin.name, '-v', 'work:/etc', image, 'sh', '-c', 'echo x >/etc/new')
  assert.deepEqual(await askedBy(run), [
    ...['Create work', 'Mount work <id>', 'Unmount work <id>'],
    ...['Mount work <id>', 'Unmount work <id>'],
  ])
  assert.equal(readFileSync(`${plugin.dataOf('work')}/new`, 'utf8'), 'x\n')
  assert.match(readFileSync(`${plugin.dataOf('work')}/passwd`, 'utf8'), /^root:/)
  const mount = `type=volume,src=mounted,dst=/m,volume-driver=${plugin.name},volume-opt=a=b`
  assert.equal(await engine.ok('run', '--rm', '--mount', mount, image, 'ls', '/m'), '')
  assert.equal(plugin.volumes.get('mounted')?.size, 0)
})

test('a volume that only the plugin knows of is found by its name', async () => {
  plugin.volumes.set('theirs', new Set())
  assert.equal(await engine.ok('volume', 'inspect', '-f', '{{.Driver}}', 'theirs'), plugin.name)
  plugin.volumes.delete('theirs')
  const gone = await engine.docker(['volume', 'inspect', 'theirs'])
  assert.match(gone.stderr, /get theirs: no such volume/)
})

test('after a kill -9 a running container keeps it, and one that has ended gives it back', async () => {
  const start = (name: string) =>
    engine.ok(
      'run',
      '-d',
      '--name',
      name,
      '--volume-driver',
      plugin.name,
      '-v',
      `of-${name}:/m`,
      image,
      'sleep',
      '1000',
    )
  await start('stays')
  await start('ends')
  const pid = Number(await engine.ok('inspect', '-f', '{{.State.Pid}}', 'ends'))
  await engine.killEngine()
  process.kill(pid, 'SIGKILL')
  await engine.start()
  await eventually('it is given back', 30_000, () => plugin.volumes.get('of-ends')?.size === 0)
  assert.equal(plugin.volumes.get('of-stays')?.size, 1)
  await engine.ok('rm', '-f', 'stays', 'ends')
  await eventually('the other, too', 30_000, () => plugin.volumes.get('of-stays')?.size === 0)
})

test('what the plugin complains of is told in its own words, and what it has forgotten is gone', async () => {
  plugin.answers.set('Create', { Err: 'no room left' })
  const refused = await engine.docker(['volume', 'create', '-d', plugin.name, 'more'])
  assert.equal(refused.stderr.trim(), 'Error response from daemon: create more: no room left')
  plugin.answers.clear()
  await engine.ok('volume', 'create', '-d', plugin.name, 'stuck')
  plugin.answers.set('Remove', { Err: 'not now' })
  plugin.answers.set('Mount', { Err: 'no way', Mountpoint: '' })
  const start = await engine.docker(['run', '--rm', '-v', 'stuck:/nothing-there', image, 'true'])
  assert.match(start.stderr, /error while mounting volume '.*': no way/)
  const plain = await engine.docker(['volume', 'rm', 'stuck'])
  assert.equal(plain.stderr.trim(), 'Error response from daemon: remove stuck: not now')
  plugin.answers.clear()
  plugin.volumes.delete('stuck')
  assert.match((await engine.docker(['volume', 'rm', 'stuck'])).stderr, /get stuck: no such volume/)
})
