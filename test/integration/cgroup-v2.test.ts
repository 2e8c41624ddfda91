// An engine on a host that has cgroup v2 only: the unified hierarchy, bound over /sys/fs/cgroup in the tests' own mount namespace.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { CLONE_NEWNS, MS_PRIVATE, MS_REC } from '../../src/linux/constants.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must, run } from '../harness/command.ts'
import { listLeavings, makeInitLayer, nothingBut } from '../harness/leavings.ts'

const UNIFIED = '/sys/fs/cgroup/unified'
const isHybrid = existsSync(`${UNIFIED}/cgroup.procs`)
const skip = isHybrid || existsSync('/sys/fs/cgroup/cgroup.controllers') ? false : 'no unified hierarchy here'

let engine: BusyboxEngine
let image: string
let rest: string[]

before(async () => {
  if (skip !== false) return
  const kernel = openNativeKernel()
  kernel.unshare(CLONE_NEWNS) // this thread's, and its children's
  kernel.mount('none', '/', undefined, MS_REC | MS_PRIVATE)
  if (isHybrid) await must(['mount', '--bind', UNIFIED, '/sys/fs/cgroup'])
  engine = await startBusyboxEngine()
  ;({ image } = engine)
  await makeInitLayer(engine, image)
  rest = await listLeavings(engine)
})

after(async () => {
  if (skip !== false) return
  await engine[Symbol.asyncDispose]()
})

const controllers = () => readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8').trim().split(' ')
/** Of any engine: those that were there before are not ours. */
const groups = () =>
  readdirSync('/sys/fs/cgroup', { withFileTypes: true })
    .filter((each) => each.isDirectory())
    .flatMap(({ name }) => readdirSync(`/sys/fs/cgroup/${name}`).map((child) => `${name}/${child}`))
    .filter((path) => /\/[0-9a-f]{64}$/.test(path))

test('info tells the version, and what the kernel cannot limit', { skip }, async () => {
  const info = JSON.parse(await engine.ok('info', '--format', '{{json .}}'))
  assert.equal(info.CgroupVersion, '2')
  assert.equal(info.MemoryLimit, controllers().includes('memory'))
  assert.equal(info.PidsLimit, controllers().includes('pids'))
  if (!controllers().includes('memory')) assert.match(info.Warnings.join('\n'), /No memory limit support/)
})

test('containers run, in a group and a cgroup namespace of their own', { skip }, async () => {
  assert.equal(await engine.ok('run', '--rm', image, 'echo', 'up'), 'up')
  assert.equal(await engine.ok('run', '--rm', image, 'cat', '/proc/self/cgroup').then(lastLine), '0::/')
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  made.push(id)
  const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', id)
  assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`^0::/.+/${id}$`, 'm'))
  assert.equal(await engine.ok('exec', id, 'cat', '/proc/self/cgroup').then(lastLine), '0::/')
  assert.match(await engine.ok('exec', id, 'mount'), /cgroup.* on \/sys\/fs\/cgroup type cgroup2 \(ro/)
  await engine.ok('rm', '-f', id)
  await gone()
})

test('limits without their controller are dropped with a warning', { skip }, async () => {
  const run = await engine.docker(['run', '--rm', '-m', '64m', '--pids-limit', '50', image, 'echo', 'up'])
  assert.equal(run.code, 0, run.stderr)
  assert.equal(run.stdout, 'up\n')
  if (!controllers().includes('memory'))
    assert.match(run.stderr, /WARNING: Your kernel does not support memory limit capabilities/)
  const cpus = await engine.docker(['run', '--rm', '--cpus', '0.5', image, 'true'])
  if (!controllers().includes('cpu'))
    assert.match(cpus.stderr, /NanoCPUs can not be set, as your kernel does not support CPU CFS/)
  await gone()
})

test('pause, unpause, top, stats, stop and kill work', { skip }, async () => {
  const id = await engine.ok('run', '-d', image, 'sh', '-c', 'trap "exit 3" TERM; while :; do usleep 10000; done')
  await engine.ok('pause', id)
  assert.equal(await engine.ok('inspect', '-f', '{{.State.Status}}', id), 'paused')
  assert.match(
    readFileSync(`/sys/fs/cgroup/${groups().find((path) => path.endsWith(id))}/cgroup.events`, 'utf8'),
    /frozen 1/,
  )
  await engine.ok('unpause', id)
  assert.match(await engine.ok('top', id), /trap/)
  assert.match(await engine.ok('stats', '--no-stream', '--format', '{{.CPUPerc}}', id), /%/)
  await engine.ok('stop', id)
  assert.equal(await engine.ok('inspect', '-f', '{{.State.ExitCode}}', id), '3')
  await engine.ok('start', id)
  await engine.ok('kill', id)
  assert.equal(await engine.ok('wait', id), '137')
  await engine.ok('rm', id)
  await gone()
})

test('devices are refused and allowed by a program on the group', { skip }, async () => {
  const mknod = ['sh', '-c', 'mknod /tmp/disk b 253 0 && head -c 1 /tmp/disk']
  const refused = await engine.docker(['run', '--rm', image, ...mknod])
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /Operation not permitted/)
  assert.equal((await engine.docker(['run', '--rm', image, 'head', '-c', '1', '/dev/zero'])).code, 0)
  await gone()
})

test('a killed shim and killed daemons leave no group', { skip }, async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  made.push(id)
  await engine.killEngine()
  await engine.killContainerd()
  await engine.start()
  assert.equal(await engine.ok('exec', id, 'echo', 'still'), 'still')
  const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', id)
  await run(['kill', '-9', (await must(['ps', '-o', 'ppid=', '-p', pid])).trim()])
  assert.equal(await engine.ok('wait', id), '137')
  await engine.ok('rm', id)
  await gone()
})

/** Containers whose groups must be gone. */
const made: string[] = []

async function gone(): Promise<void> {
  await nothingBut(rest, engine)
  for (const id of made.splice(0))
    await eventually('its group is gone', 5000, () => !groups().some((path) => path.endsWith(id)))
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? ''
}
