// Errors that nobody waits for, in each daemon: a module that is loaded before the program makes them when a signal comes.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isAlive, startEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'
import { startRegistryProcess } from '../harness/our-registry.ts'

const directory = mkdtempSync(join(tmpdir(), 'strays-'))
const module = join(directory, 'stray.mjs')
writeFileSync(
  module,
  `import { isMainThread } from 'node:worker_threads'
if (isMainThread) {
  process.on('SIGUSR2', () => void Promise.reject(new Error('a stray rejection')))
  process.on('SIGWINCH', () => setTimeout(() => { throw new Error('a stray exception') }, 0))
}
`,
)
const env = { NODE_OPTIONS: `--import=${module}` }
const REJECTIONS = /^nodejs_unhandled_rejections_total 1$/m
after(() => rmSync(directory, { recursive: true, force: true }))

test('the engine and its containerd survive a rejection; after an exception each ends, and containers run on', async () => {
  const metrics = '127.0.0.1:23781'
  await using engine = await startEngine({ env, args: ['--metrics-addr', metrics] })
  await using registry = await startRegistry(`${engine.directory}/registry`)
  const image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
  const id = await engine.ok('run', '-d', image, 'sleep', '4711')
  const pid = await engine.ok('inspect', '--format', '{{.State.Pid}}', id)
  const [enginePid, containerdPid] = [engine.enginePid(), engine.containerdPid()]
  const seen = (text: string) => engine.log().split(text).length - 1

  process.kill(enginePid, 'SIGUSR2')
  await eventually('the rejection is logged', 20_000, () => seen('Error: a stray rejection') === 1)
  assert.match(await must(['curl', '-sf', `http://${metrics}/metrics`]), REJECTIONS)
  process.kill(containerdPid, 'SIGUSR2')
  await eventually('the rejection of containerd is logged', 20_000, () => seen('Error: a stray rejection') === 2)
  assert.equal(await engine.ok('exec', id, 'echo', 'served'), 'served')
  assert.deepEqual([engine.enginePid(), engine.containerdPid()], [enginePid, containerdPid])

  process.kill(containerdPid, 'SIGWINCH')
  await eventually('another containerd is there', 30_000, () => {
    const now = Number(readFileSync(`${engine.directory}/exec/containerd/containerd.pid`, 'utf8'))
    return now !== containerdPid && isAlive(now) && !isAlive(containerdPid)
  })
  assert.equal(seen('Error: a stray exception'), 1)
  assert.equal(await engine.ok('exec', id, 'echo', 'served'), 'served')

  process.kill(enginePid, 'SIGWINCH')
  await eventually('the engine has ended', 30_000, () => !isAlive(enginePid))
  assert.equal(seen('Error: a stray exception'), 2)
  await engine.start()
  assert.equal(await engine.ok('inspect', '--format', '{{.State.Pid}}', id), pid, 'the same process runs on')
  assert.equal(await engine.ok('exec', id, 'echo', 'served'), 'served')
})

test('a registry survives a rejection, and ends with a code after an exception', async () => {
  await using registry = await startRegistryProcess({}, env)
  const pid = registry.pid() ?? 0
  assert.ok(pid > 1)
  process.kill(pid, 'SIGUSR2')
  await eventually('the rejection is logged', 20_000, () => registry.log().includes('Error: a stray rejection'))
  assert.equal((await fetch(`${registry.url}/v2/`)).status, 200)
  process.kill(pid, 'SIGWINCH')
  await eventually('the exception is logged', 20_000, () => registry.log().includes('Error: a stray exception'))
  await eventually('the registry has ended', 20_000, () => !isAlive(pid))
  assert.equal(await registry.end('SIGTERM'), 1, 'ended of itself')
  assert.match(registry.log(), /^berth-registry: a stray exception$/m)
})
