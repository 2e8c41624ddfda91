// A file system that answers nothing where a container's users are looked up: the one request fails in time, all others are served.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import type { TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { mountHangingFuse, startTwoContainers } from '../harness/hanging-fuse.ts'

const skip = !existsSync('/dev/fuse') && 'the kernel has no FUSE'
const LIMIT_MS = 120_000
const LATE = /(?:read|stat) \S*: no answer within 10 seconds/
let engine: TestEngine
/** On the host, for binds. */
let host: AsyncDisposable
let hanging: string

before(async () => {
  if (skip !== false) return
  engine = await startTwoContainers()
  hanging = `${engine.directory}/hanging`
  host = await mountHangingFuse(process.pid, hanging)
})

after(async () => {
  if (skip !== false) return
  await host[Symbol.asyncDispose]()
  await must(['umount', '-l', hanging])
  await engine[Symbol.asyncDispose]()
})

const pidOf = async (name: string) => Number(await engine.ok('inspect', '-f', '{{.State.Pid}}', name))
const daemons = () => [engine.enginePid(), engine.containerdPid()]
const proveItServes = async () => {
  assert.equal(await engine.ok('exec', '-u', 'root', 'well', 'echo', 'served'), 'served')
  assert.match(await engine.ok('run', '--rm', '--net', 'none', 'busybox', 'id'), /uid=0/)
  assert.match(await engine.ok('version'), /Server/)
}
/** Of the daemons: what looks for them, and descriptors in the root file system of a container. */
const leftovers = () =>
  daemons().flatMap((pid) => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
    const looking = children.filter((child) => /--(?:read|kind)/.test(readFileSync(`/proc/${child}/cmdline`, 'utf8')))
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
    return [...looking, ...open.filter((path) => path === '/' || path.includes('/etc') || path.includes('hanging'))]
  })
const linkOf = (path: string) => {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}
const proveNothingStays = () => eventually('nothing of it stays', 30_000, () => leftovers().length === 0)

/** Runs `commands` while others are served, and until all of them have failed. */
async function proveTheyEnd(...commands: string[][]): Promise<void> {
  const ending = commands.map((words) => engine.docker(words))
  const first = Promise.race(ending).then(({ stderr }) => assert.fail(`it has not waited: ${stderr}`))
  await eventually('somebody looks', 30_000, () => leftovers().length > 0)
  await Promise.race([proveItServes(), first])
  first.catch(() => {})
  for (const { code, stdout, stderr } of await Promise.all(ending)) {
    assert.notEqual(code, 0)
    assert.match(stdout + stderr, LATE)
  }
  await proveNothingStays()
}

test('a container whose /etc hangs: execs with and without a user', { skip, timeout: LIMIT_MS }, async () => {
  const inside = await mountHangingFuse(await pidOf('hung'), '/etc')
  try {
    await proveTheyEnd(
      ['exec', '-u', 'nobody', 'hung', 'true'],
      ['exec', 'hung', 'true'],
      ['exec', '-d', 'hung', 'true'],
    )
  } finally {
    await inside[Symbol.asyncDispose]()
  }
  await must(['nsenter', '-t', String(await pidOf('hung')), '-m', 'umount', '/etc'])
  assert.match(await engine.ok('exec', '-u', 'root', 'hung', 'id'), /uid=0/)
})

test('the look ends with the client that asked for it', { skip, timeout: LIMIT_MS }, async () => {
  await using _inside = await mountHangingFuse(await pidOf('hung'), '/etc')
  const body = JSON.stringify({ Cmd: ['true'], User: 'nobody' })
  const asked = request({
    socketPath: engine.host.replace('unix://', ''),
    method: 'POST',
    path: '/containers/hung/exec',
  })
  asked.setHeader('content-type', 'application/json')
  asked.on('error', () => {}) // it is we who end it
  asked.end(body)
  await eventually('somebody looks', 30_000, () => leftovers().length > 0)
  const atMs = performance.now()
  asked.destroy()
  await proveNothingStays()
  const tookMs = performance.now() - atMs
  assert.ok(tookMs < 9_000, `no sooner than by its own limit: ${tookMs}`)
  await must(['nsenter', '-t', String(await pidOf('hung')), '-m', 'umount', '-l', '/etc'])
})

test('the look ends with its daemon', { skip, timeout: LIMIT_MS }, async () => {
  await using _inside = await mountHangingFuse(await pidOf('hung'), '/etc')
  const client = spawn('docker', ['-H', engine.host, 'exec', '-u', 'nobody', 'hung', 'true'], { stdio: 'ignore' })
  let looking = ''
  await eventually('somebody looks', 30_000, () => {
    looking = leftovers().find((found) => /^\d+$/.test(found)) ?? ''
    return looking !== ''
  })
  process.kill(engine.enginePid(), 'SIGKILL')
  client.kill('SIGKILL')
  await eventually('it has gone', 30_000, () => !existsSync(`/proc/${looking}`))
  await engine.start()
  await proveItServes()
  await must(['nsenter', '-t', String(await pidOf('hung')), '-m', 'umount', '-l', '/etc'])
})

test('binds of what hangs, and of what is below it', { skip, timeout: LIMIT_MS }, async () => {
  const run = ['run', '--rm', '--net', 'none']
  await proveTheyEnd(
    [...run, '-v', `${hanging}:/etc`, 'busybox', 'true'],
    [...run, '-v', `${hanging}/below:/data`, 'busybox', 'true'],
    [...run, '--mount', `type=bind,source=${hanging}/below,target=/data`, 'busybox', 'true'],
  )
})

test('where only data hangs nobody looks: the container runs', { skip, timeout: LIMIT_MS }, async () => {
  assert.match(await engine.ok('run', '--rm', '--net', 'none', '-v', `${hanging}:/data`, 'busybox', 'id'), /uid=0/)
})

test("files of the host that are bound over a container's are its users", { skip, timeout: LIMIT_MS }, async () => {
  const users = `${engine.directory}/users`
  mkdirSync(users)
  await must([
    'sh',
    '-c',
    `echo 'some:x:4711:4712::/home/some:/bin/sh' > ${users}/passwd; echo 'some:x:4712:' > ${users}/group`,
  ])
  for (const binds of [
    ['-v', `${users}/passwd:/etc/passwd:ro`, '-v', `${users}/group:/etc/group:ro`],
    ['-v', `${users}:/etc`],
  ]) {
    await engine.ok('run', '-d', '--name', 'bound', '--net', 'none', ...binds, 'busybox', 'sleep', '100000')
    assert.match(
      await engine.ok('exec', '-u', 'some', 'bound', 'sh', '-c', 'id -u; echo $HOME'),
      /^4711\n\/home\/some$/,
    )
    await engine.ok('rm', '-f', 'bound')
  }
})
