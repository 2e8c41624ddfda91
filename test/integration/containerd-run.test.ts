// The original `ctr` imports an image into berth-containerd, runs it, execs into it and takes it away again.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectContainerd, waitForContainerd } from '../../src/containerd/client/client.ts'
import { digestOf } from '../../src/oci/digest.ts'

const directory = mkdtempSync(join(tmpdir(), 'containerd-run-'))
const socket = join(directory, 'c.sock')
const program = fileURLToPath(new URL('../../bin/berth-containerd.js', import.meta.url))
const IMAGE = 'docker.io/library/ctr-test:1'
let daemon: ReturnType<typeof spawn>

async function startDaemon(): Promise<void> {
  const args = ['--address', socket, '--root', join(directory, 'root'), '--state', join(directory, 'state')]
  const shim = join(process.cwd(), 'build/bin/berth-shim')
  daemon = spawn(process.execPath, [program, ...args, '--shim', shim], { stdio: ['ignore', 'ignore', 'inherit'] })
  const client = connectContainerd({ address: socket, namespace: 'default' })
  await waitForContainerd(client, 10_000)
  client.close()
}

async function stopDaemon(signal: NodeJS.Signals): Promise<void> {
  daemon.kill(signal)
  await once(daemon, 'exit')
}

before(startDaemon)

after(async () => {
  await stopDaemon('SIGTERM')
  rmSync(directory, { recursive: true })
  removeNamespaceGroups()
})

/** ctr puts its containers' groups below one named after the namespace, which nobody removes. Not empty: somebody else's too. */
function removeNamespaceGroups(): void {
  for (const path of ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)])
    try {
      rmdirSync(join(path, 'default'))
    } catch {
      // Not there, not empty, or not a hierarchy.
    }
}

function ctr(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile('ctr', ['-a', socket, ...args], { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

async function ctrOk(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ctr(...args)
  assert.equal(code, 0, `ctr ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** A docker-archive of one layer: static busybox. */
function makeArchive(): string {
  const root = join(directory, 'rootfs')
  for (const name of ['bin', 'proc', 'sys', 'dev', 'tmp', 'etc']) mkdirSync(join(root, name), { recursive: true })
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
  for (const name of ['sh', 'sleep', 'true', 'cat']) symlinkSync('busybox', join(root, 'bin', name))
  const image = join(directory, 'image')
  mkdirSync(image)
  execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-cf', join(image, 'layer.tar'), '.'])
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(readFileSync(join(image, 'layer.tar')))] },
  }
  writeFileSync(join(image, 'config.json'), JSON.stringify(config))
  const manifest = [{ Config: 'config.json', RepoTags: [IMAGE], Layers: ['layer.tar'] }]
  writeFileSync(join(image, 'manifest.json'), JSON.stringify(manifest))
  const archive = join(directory, 'image.tar')
  execFileSync('tar', ['-C', image, '-cf', archive, 'manifest.json', 'config.json', 'layer.tar'])
  return archive
}

test('ctr imports an image, runs it, and gets its exit code', async () => {
  await ctrOk('images', 'import', makeArchive())
  assert.match(await ctrOk('images', 'ls', '-q'), new RegExp(IMAGE))
  const { code, stderr } = await ctr('run', '--rm', '--null-io', IMAGE, 'once', 'sh', '-c', 'exit 7')
  assert.equal(code, 7, stderr)
  assert.equal(await ctrOk('containers', 'ls', '-q'), '')
})

test('a task runs on through the death of the daemon, and can be listed, entered and killed afterwards', async () => {
  await ctrOk('run', '-d', '--null-io', IMAGE, 'long', 'sleep', '1000')
  const running = await ctrOk('tasks', 'ls')
  assert.match(running, /long\s+\d+\s+RUNNING/)
  await stopDaemon('SIGKILL')
  await startDaemon()
  assert.equal(await ctrOk('tasks', 'ls'), running)
  assert.equal((await ctr('tasks', 'exec', '--exec-id', 'e', 'long', 'sh', '-c', 'exit 3')).code, 3)
  await ctrOk('tasks', 'kill', '-s', 'KILL', 'long')
  for (let tries = 0; tries < 200 && !/STOPPED/.test(await ctrOk('tasks', 'ls')); tries++);
  await ctr('tasks', 'rm', 'long') // its exit code is the task's
  assert.doesNotMatch(await ctrOk('tasks', 'ls'), /long/)
  await ctrOk('containers', 'rm', 'long')
})

test('with its image the last of its content and snapshots goes', async () => {
  await ctrOk('images', 'rm', '--sync', IMAGE)
  assert.equal((await ctrOk('snapshots', 'ls')).trim().split('\n').length, 1) // the heading
  assert.equal((await ctrOk('content', 'ls')).trim().split('\n').length, 1)
  assert.deepEqual(readdirSync(join(directory, 'root/content/blobs/sha256')), [])
})
