// States, limits and what a container sees of the world.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string

interface Inspected {
  State: { Status: string; Running: boolean; Paused: boolean; OOMKilled: boolean; ExitCode: number; Pid: number }
}

async function inspect(id: string): Promise<Inspected> {
  const [first] = JSON.parse(await engine.ok('inspect', id)) as [Inspected]
  return first
}

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

test('a container goes through created, running, paused, exited and removed', async () => {
  const id = await engine.ok(
    'create',
    '--name',
    'five',
    image,
    'sh',
    '-c',
    'i=0; while :; do i=$((i+1)); echo $i > /count; done',
  )
  const status = async () => [
    (await inspect(id)).State.Status,
    await engine.ok('ps', '-a', '--filter', `id=${id}`, '--format', '{{.State}}'),
  ]
  assert.deepEqual(await status(), ['created', 'created'])
  await engine.ok('start', id)
  assert.deepEqual(await status(), ['running', 'running'])
  await eventually('it counts', 5000, async () => (await engine.docker(['exec', id, 'cat', '/count'])).stdout !== '')
  const { Pid } = (await inspect(id)).State
  await engine.ok('pause', id)
  assert.deepEqual(await status(), ['paused', 'paused'])
  const paused = (await inspect(id)).State
  assert.ok(paused.Running && paused.Paused)
  const count = () => readFileSync(`/proc/${Pid}/root/count`, 'utf8')
  const ticks = () => readFileSync(`/proc/${Pid}/stat`, 'utf8').split(' ').slice(13, 15).join(' ')
  const [frozenTicks, frozenCount] = [ticks(), count()]
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual([ticks(), count()], [frozenTicks, frozenCount])
  await engine.ok('unpause', id)
  await eventually('it counts on', 5000, () => count() !== frozenCount)
  await engine.ok('kill', id)
  assert.deepEqual(await status(), ['exited', 'exited'])
  assert.equal((await inspect(id)).State.ExitCode, 137)
  await engine.ok('rm', id)
  const gone = await engine.docker(['inspect', id])
  assert.equal(gone.code, 1)
  assert.equal(gone.stdout.trim(), '[]')
})

test('-m 64m kills a hog, and says so', async () => {
  const id = await engine.ok('run', '-d', '-m', '64m', '--memory-swap', '64m', image, 'sh', '-c', 'tail /dev/zero')
  assert.equal(await engine.ok('wait', id), '137')
  const { State } = await inspect(id)
  assert.equal(State.OOMKilled, true)
  assert.equal(State.ExitCode, 137)
  await engine.ok('rm', id)
})

test('--cpus 0.5 holds', async () => {
  const id = await engine.ok('run', '-d', '--cpus', '0.5', image, 'sh', '-c', 'while :; do :; done')
  const { Pid } = (await inspect(id)).State
  const used = () =>
    readFileSync(`/proc/${Pid}/stat`, 'utf8')
      .split(' ')
      .slice(13, 15)
      .reduce((sum, text) => sum + Number(text), 0) * 10 // ms at 100 Hz
  await eventually('it is warm', 5000, () => used() > 100)
  const [startMs, startUsed] = [performance.now(), used()]
  await eventually('a second of CPU time', 20_000, () => used() - startUsed >= 1000)
  const share = (used() - startUsed) / (performance.now() - startMs)
  assert.ok(share < 0.65, `used ${share} of a CPU`)
  await engine.ok('rm', '-f', id)
})

test('--pids-limit stops a fork bomb', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    '--pids-limit',
    '20',
    image,
    'sh',
    '-c',
    'sh -c "$1" & exec sleep 1000',
    'sh',
    'for i in $(seq 1 100); do sleep 1000 & done',
  )
  await eventually('it has forked', 5000, async () => (await engine.docker(['logs', id])).stderr.includes("can't fork"))
  const listed = (await engine.ok('top', id)).split('\n').length - 1
  assert.ok(listed <= 20, `${listed} processes`)
  await engine.ok('rm', '-f', id)
})

test('inside there is no other process, interface or host name', async () => {
  const inside = async (...command: string[]) => engine.ok('run', '--rm', '--hostname', 'box', image, ...command)
  assert.equal(await inside('sh', '-c', 'echo /proc/[0-9]*'), '/proc/1')
  assert.equal(await inside('hostname'), 'box')
  assert.deepEqual((await inside('ls', '/sys/class/net')).split('\n'), ['eth0', 'lo'])
  assert.equal(await engine.ok('run', '--rm', '--net', 'none', image, 'ls', '/sys/class/net'), 'lo')
})

test('the process is confined as Docker confines it', async () => {
  const status = await engine.ok('run', '--rm', image, 'cat', '/proc/self/status')
  assert.match(status, /^CapBnd:\s+00000000a80425fb$/m)
  assert.match(status, /^CapEff:\s+00000000a80425fb$/m)
  assert.match(status, /^CapInh:\s+0000000000000000$/m)
  assert.match(status, /^Seccomp:\s+2$/m)
  assert.match(status, /^NoNewPrivs:\s+0$/m)
  assert.equal(
    await engine.ok('run', '--rm', image, 'sh', '-c', 'cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware | wc -l'),
    '0\n0',
  )
  assert.notEqual((await engine.docker(['run', '--rm', image, 'sh', '-c', 'echo 1 > /proc/sys/kernel/panic'])).code, 0)
  assert.equal(
    await engine.ok('run', '--rm', '-u', 'user', image, 'id'),
    'uid=1000(user) gid=1000(user) groups=29(audio),1000(user)',
  )
  assert.match(
    await engine.ok('run', '--rm', '-u', '1000:10', image, 'grep', 'CapEff', '/proc/self/status'),
    /0000000000000000/,
  )
  assert.equal(await engine.ok('run', '--rm', '--ulimit', 'nofile=64:64', image, 'sh', '-c', 'ulimit -n'), '64')
  assert.notEqual((await engine.docker(['run', '--rm', '--read-only', image, 'touch', '/x'])).code, 0)
  assert.equal(
    await engine.ok('run', '--rm', '-w', '/made/here', '-e', 'X=y z', image, 'sh', '-c', 'pwd; echo "$X"; echo $HOME'),
    '/made/here\ny z\n/root',
  )
})
