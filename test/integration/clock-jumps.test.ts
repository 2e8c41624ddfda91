// Daemons whose time somebody sets, a day ahead and then back, while they run: libfaketime gives both another CLOCK_REALTIME.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { makeBusyboxTree } from '../harness/images.ts'

const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path))
const skip = library === undefined && 'libfaketime is not installed'
const directory = mkdtempSync(join(tmpdir(), 'clock-jumps-'))
const setting = join(directory, 'time')
const LIMIT_MS = 60_000
const clients: ChildProcess[] = []
let engine: TestEngine

/** Of both daemons, from now on. */
const setTime = (offset: string) => writeFileSync(setting, `${offset}\n`)

before(async () => {
  if (skip !== false) return
  setTime('+0')
  const env = {
    ...{ LD_PRELOAD: library ?? '', FAKETIME_TIMESTAMP_FILE: setting, FAKETIME_NO_CACHE: '1' },
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  engine = await startEngine({ env })
  const tree = join(directory, 'tree')
  await makeBusyboxTree(tree)
  await must(['sh', '-c', 'tar -C "$0" -c . | docker import - busybox', tree], { env: { DOCKER_HOST: engine.host } })
})

after(async () => {
  for (const client of clients) client.kill('SIGKILL')
  if (skip === false) await engine[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

/** The lines that a client has printed so far. */
function follow(...words: string[]): () => number {
  const client = spawn('docker', ['-H', engine.host, ...words], { stdio: ['ignore', 'pipe', 'ignore'] })
  clients.push(client)
  let count = 0
  client.stdout?.on('data', (text: Buffer) => (count += text.toString().split('\n').length - 1))
  return () => count
}

test('checks, restarts, logs, statistics, events and stops go on as before, whatever the time is set to', {
  skip,
}, async () => {
  const run = (name: string, ...words: string[]) => engine.ok('run', '-d', '--name', name, '--net', 'none', ...words)
  const check = [
    '--health-cmd',
    'true',
    '--health-interval',
    '1s',
    '--health-start-period',
    '1h',
    '--health-start-interval',
    '1s',
  ]
  await run('checked', ...check, 'busybox', 'sleep', '100000')
  await run('failing', '--restart', 'always', 'busybox', 'sh', '-c', 'sleep 0.1; exit 1')
  await run('talking', 'busybox', 'sh', '-c', 'while :; do echo line; sleep 0.1; done')
  const followed = {
    logs: follow('logs', '-f', 'talking'),
    stats: follow('stats', '--format', '{{.Name}}', 'talking'),
    events: follow('events', '--filter', 'container=checked'),
  }
  const inspect = (name: string, field: string) => engine.ok('inspect', '-f', `{{${field}}}`, name)
  for (const offset of ['+0', '+1d', '-1d', '+0']) {
    setTime(offset)
    const seen = {
      restarts: Number(await inspect('failing', '.RestartCount')),
      checks: await inspect('checked', '(index .State.Health.Log 0).Start').catch(() => ''),
    }
    const lines = Object.entries(followed).map(([kind, count]) => ({ kind, count, from: count() }))
    for (const { kind, count, from } of lines)
      await eventually(`${offset}: more ${kind}`, LIMIT_MS, () => count() > from + 1)
    await eventually(
      `${offset}: more restarts`,
      LIMIT_MS,
      async () => Number(await inspect('failing', '.RestartCount')) > seen.restarts,
    )
    await eventually(`${offset}: more checks`, LIMIT_MS, async () => {
      const [first, status] = (
        await inspect('checked', '(index .State.Health.Log 0).Start}} {{.State.Health.Status')
      ).split(/ (?=\w+$)/)
      return first !== seen.checks && status === 'healthy'
    })
    assert.equal(await engine.ok('run', '--rm', '--net', 'none', 'busybox', 'echo', 'said'), 'said')
    await run('stopped', 'busybox', 'sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done')
    await engine.ok('stop', '-t', '1', 'stopped')
    assert.equal(await inspect('stopped', '.State.ExitCode'), '137')
    await engine.ok('rm', 'stopped')
    assert.match(await engine.ok('logs', '--since', '5m', '--tail', '1', 'talking'), /^line$/)
    assert.equal(await engine.ok('logs', '--until', '24h', 'talking'), '')
  }
})

test('an engine that comes back a day earlier has its containers, and ends with its containerd', { skip }, async () => {
  await engine.killEngine()
  await engine.killContainerd()
  setTime('-1d')
  await engine.start()
  const names = (await engine.ok('ps', '--format', '{{.Names}}')).split('\n')
  assert.ok(names.includes('talking') && names.includes('checked'), names.join())
  const starts = () => engine.ok('inspect', '-f', '{{range .State.Health.Log}}{{.Start}} {{end}}', 'checked')
  const before = await starts()
  await eventually('it is checked again', LIMIT_MS, async () => (await starts()) !== before)
  const containerd = engine.containerdPid()
  await engine.ok('rm', '-f', 'talking', 'checked', 'failing')
  await engine.stop()
  await eventually(
    'containerd has ended',
    LIMIT_MS,
    async () => (await must(['sh', '-c', `kill -0 ${containerd} 2>/dev/null; echo $?`])) === '1',
  )
  await engine.start()
})
