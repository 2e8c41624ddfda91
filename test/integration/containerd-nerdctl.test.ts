// nerdctl, unmodified, over our containerd: no network, or the host's, since CNI is a matter of plugins.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type CommandResult, eventually, run } from '../harness/command.ts'
import { makeImageArchive } from '../harness/image-archive.ts'
import { nerdctl, skipWithoutNerdctl } from '../harness/nerdctl.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { BIN } from '../harness/root.ts'
import { skipWithout } from '../harness/runtime.ts'

const NAMESPACE = `nerdctl-${process.pid}`
const IMAGE = 'busybox:1'
const skip = skipWithout('docker-registry') || (await skipWithoutNerdctl())

let directory = ''
let program = ''
let daemon: ReturnType<typeof spawn> | undefined
let registry: TestRegistry | undefined

const log = () => readFileSync(join(directory, 'log'), 'utf8').slice(-2000)

function call(...args: string[]): Promise<CommandResult> {
  const flags = [
    ...['--address', join(directory, 'c.sock'), '--namespace', NAMESPACE, '--data-root', join(directory, 'data')],
    ...['--cni-path', join(directory, 'cni'), '--cni-netconfpath', join(directory, 'netconf')],
    ...['--cgroup-manager', 'cgroupfs', '--hosts-dir', join(directory, 'hosts'), '--insecure-registry'],
  ]
  return run([program, ...flags, ...args], { timeoutMs: 30_000 })
}

/** It must exit 0; its trimmed output. */
async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await call(...args)
  assert.equal(code, 0, `nerdctl ${args.join(' ')}\n${stdout}\n${stderr}\n${log()}`)
  return stdout.trim()
}

const runs = (...args: string[]) => ok('run', '--rm', '--net', 'none', ...args)

before(async () => {
  if (skip !== false) return
  program = await nerdctl()
  directory = await mkdtemp(join(tmpdir(), 'nerdctl-'))
  await chmod(directory, 0o755)
  const output = openSync(join(directory, 'log'), 'a')
  const flags = ['--address', join(directory, 'c.sock'), '--root', join(directory, 'root')]
  daemon = spawn(join(BIN, 'berth-containerd'), [...flags, '--state', join(directory, 'state')], {
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  registry = await startRegistry(join(directory, 'registry'))
  await makeImageArchive(directory, IMAGE)
  await eventually('our containerd answers nerdctl', 15_000, async () => (await call('ps')).code === 0)
  await ok('load', '-i', join(directory, 'image.tar'))
})

after(async () => {
  if (directory === '') return
  for (const id of (await call('ps', '-aq')).stdout.split('\n').filter(Boolean)) await call('rm', '-f', id)
  daemon?.kill('SIGTERM')
  await eventually('our containerd ends', 10_000, () => daemon === undefined || daemon.exitCode !== null)
  await registry?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
  removeNamespaceGroups()
})

/** nerdctl puts its containers' groups below one named after the namespace, which nobody removes. */
function removeNamespaceGroups(): void {
  for (const path of ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)])
    if (existsSync(join(path, NAMESPACE))) rmdirSync(join(path, NAMESPACE))
}

describe('nerdctl', { skip }, () => {
  test('version, info and namespaces', async () => {
    assert.match(await ok('version'), /Server:\n containerd:\n {2}Version:\tv\d/)
    assert.match(await ok('info'), /Storage Driver: overlayfs/)
    assert.match(await ok('namespace', 'ls'), new RegExp(`^${NAMESPACE} +0 +1 +0`, 'm'))
    await ok('namespace', 'create', '--label', 'a=b', `${NAMESPACE}-other`)
    assert.match(await ok('namespace', 'inspect', `${NAMESPACE}-other`), /"a": "b"/)
    await ok('namespace', 'remove', `${NAMESPACE}-other`)
  })

  test('run: output, exit codes, environment, user, limits', async () => {
    assert.equal(await runs(IMAGE, 'echo', 'hello'), 'hello')
    assert.equal((await call('run', '--rm', '--net', 'none', IMAGE, 'sh', '-c', 'exit 7')).code, 7)
    assert.equal(
      await runs('-e', 'A=b', '-w', '/tmp', '-u', '1000:5', IMAGE, 'sh', '-c', 'echo $A $PWD; id -u'),
      'b /tmp\n1000',
    )
    assert.equal(await runs('--hostname', 'named', IMAGE, 'hostname'), 'named')
    const limit = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true'
    assert.equal(await runs('-m', '64m', '--cpus', '0.5', '--pids-limit', '50', IMAGE, 'sh', '-c', limit), '67108864')
    assert.notEqual((await call('run', '--rm', '--net', 'none', IMAGE, 'no-such-program')).code, 0)
    assert.equal(await ok('ps', '-aq'), '')
  })

  test('run on the network of the host', async () => {
    assert.equal(
      await ok('run', '--rm', '--net', 'host', IMAGE, 'sh', '-c', 'tail -n +3 /proc/net/dev | wc -l'),
      (await run(['sh', '-c', 'tail -n +3 /proc/net/dev | wc -l'])).stdout.trim(),
    )
  })

  test('directories and volumes', async () => {
    await runs('-v', `${directory}/shared:/v`, IMAGE, 'sh', '-c', 'echo data >/v/file')
    assert.equal(readFileSync(join(directory, 'shared/file'), 'utf8'), 'data\n')
    await ok('volume', 'create', 'v1')
    await runs('-v', 'v1:/v', IMAGE, 'sh', '-c', 'echo kept >/v/file')
    assert.equal(await runs('-v', 'v1:/v:ro', IMAGE, 'sh', '-c', '! echo x >/v/x 2>/dev/null && cat /v/file'), 'kept')
    assert.match(await ok('volume', 'ls'), /^v1 /m)
    await ok('volume', 'rm', 'v1')
  })

  test('a container that lives: its logger, its hooks, and whatever is done with it', async () => {
    const id = await ok(
      'run',
      '-d',
      '--net',
      'none',
      '--name',
      'c1',
      IMAGE,
      'sh',
      '-c',
      'echo started; exec sleep 1000',
    )
    assert.match(await ok('ps'), /c1/)
    await eventually('the log is there', 5_000, async () => (await ok('logs', 'c1')) === 'started')
    assert.equal(await ok('exec', 'c1', 'echo', 'in'), 'in')
    assert.notEqual((await call('exec', 'c1', 'sh', '-c', 'exit 5')).code, 0)
    assert.match(await ok('top', 'c1'), /sleep 1000/)
    assert.match(await ok('stats', '--no-stream', 'c1'), /c1 .*\d+(\.\d+)?[KM]iB \//)
    assert.equal(await ok('inspect', '--format', '{{.Id}} {{.State.Status}} {{.Name}}', 'c1'), `${id} running c1`)
    await ok('pause', 'c1')
    assert.equal(await ok('inspect', '--format', '{{.State.Status}}', 'c1'), 'paused')
    await ok('unpause', 'c1')
    await ok('kill', 'c1')
    await eventually('it is dead', 5_000, async () => /Exited \(137\)/.test(await ok('ps', '-a')))
    await ok('start', 'c1')
    assert.equal(await ok('logs', 'c1'), 'started\nstarted')
    await ok('stop', '-t', '0', 'c1')
    await ok('rename', 'c1', 'c2')
    await ok('rm', 'c2')
    assert.equal(await ok('ps', '-aq'), '')
    assert.ok(!existsSync(join(directory, 'state/tasks', NAMESPACE, id)))
  })

  test('images: tag, push, pull, save, load, rmi', async () => {
    const name = `${registry?.host}/nerdctl:1`
    await ok('tag', IMAGE, name)
    await ok('push', '-q', name)
    await ok('rmi', name)
    await ok('pull', '-q', name)
    assert.match(await ok('images', '--no-trunc'), new RegExp(`${registry?.host}/nerdctl +1 +sha256:`))
    assert.equal(await runs(name, 'echo', 'pulled'), 'pulled')
    await ok('save', '-o', join(directory, 'saved.tar'), name)
    await ok('rmi', name, IMAGE)
    assert.equal(await ok('images', '-q'), '')
    await ok('load', '-i', join(directory, 'saved.tar'))
    await ok('tag', name, IMAGE)
    assert.match(await ok('image', 'inspect', '--format', '{{.Os}} {{.RepoTags}}', IMAGE), /^linux \[.*busybox:1/)
    await ok('image', 'prune', '-f')
  })

  test('create, wait, cp and commit-less leftovers', async () => {
    await ok('create', '--net', 'none', '--name', 'made', IMAGE, 'sh', '-c', 'exit 3')
    await ok('start', 'made')
    assert.equal(await ok('wait', 'made'), '3')
    await ok('rm', 'made')
    mkdirSync(join(directory, 'copied'))
    await ok('run', '-d', '--net', 'none', '--name', 'files', IMAGE, 'sleep', '1000')
    await ok('cp', 'files:/etc/second', join(directory, 'copied'))
    assert.equal(readFileSync(join(directory, 'copied/second'), 'utf8'), 'of the second layer\n')
    await ok('rm', '-f', 'files')
  })
})
