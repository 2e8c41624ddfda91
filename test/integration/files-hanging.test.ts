// A container in which a file system hangs, and copies of what no thread may hold: the one request waits or fails, all others are served.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FilesThreads } from '../../src/engine/files/files-threads.ts'
import { isAlive, type TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { mountHangingFuse, startTwoContainers } from '../harness/hanging-fuse.ts'

const skip = !existsSync('/dev/fuse') && 'the kernel has no FUSE'
const HANGING = 24
let engine: TestEngine
let fuse: AsyncDisposable
const clients: ChildProcess[] = []

before(async () => {
  if (skip !== false) return
  engine = await startTwoContainers()
  fuse = await mountHangingFuse(Number(await engine.ok('inspect', '-f', '{{.State.Pid}}', 'hung')), '/mnt')
})

after(async () => {
  if (skip !== false) return
  for (const client of clients) client.kill('SIGKILL')
  await fuse[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const copy = (place: string) => {
  const client = spawn('docker', ['-H', engine.host, 'cp', place, '-'], { stdio: 'ignore' })
  clients.push(client)
  return client
}
const proveItServes = async () => {
  for (const name of ['well', 'hung']) assert.equal(await engine.ok('exec', name, 'echo', 'served'), 'served')
  assert.match(await must(['sh', '-c', `docker -H ${engine.host} cp well:/etc/passwd - | tar -xO`]), /^root:/)
  assert.equal((await engine.docker(['cp', 'well:/no/such', '-'])).code, 1)
}

test('requests that hang keep nobody else from being served', { skip, timeout: 120_000 }, async () => {
  for (let count = 0; count < HANGING; count++) copy('hung:/mnt/file')
  await proveItServes()
  assert.ok(
    clients.every((client) => client.exitCode === null),
    'they hang',
  )
})

test('nor do those whose clients have gone', { skip, timeout: 120_000 }, async () => {
  for (const client of clients) client.kill('SIGKILL')
  for (let count = 0; count < HANGING; count++) copy('hung:/mnt/file')
  await proveItServes()
})

test('an engine with such requests can be stopped', { skip, timeout: 120_000 }, async () => {
  const pid = engine.enginePid()
  process.kill(pid, 'SIGTERM')
  await eventually('it is gone', 60_000, () => !isAlive(pid))
  await engine.start()
  await proveItServes()
})

test('when the file system goes, so do they all, and what waited is served', { skip, timeout: 120_000 }, async () => {
  const waiting = copy('hung:/mnt/file')
  await fuse[Symbol.asyncDispose]()
  await eventually('it has failed', 30_000, () => waiting.exitCode === 1)
  await proveItServes()
})

test('a listing for which a thread has not enough memory fails in plain words, and the next one does not', async () => {
  const tree = mkdtempSync(join(tmpdir(), 'files-many-'))
  const [many, few] = ['many', 'few'].map((name) => join(tree, name)) as [string, string]
  for (const directory of [many, few]) mkdirSync(directory)
  const COUNT = 60_000
  const NAME_BYTES = 200
  for (let at = 0; at < COUNT; at++) writeFileSync(join(many, String(at).padStart(NAME_BYTES, 'x')), '')
  writeFileSync(join(few, 'file'), 'content')
  const threads = new FilesThreads({ heapMib: 8 })
  const exportOf = async (directory: string) => {
    const layers = { kind: 'layers', layers: [directory], writable: undefined, mounts: [] } as const
    await using view = await threads.open('container', layers, new AbortController().signal)
    let size = 0
    for await (const bytes of view.export()) size += bytes.length
    return size
  }
  try {
    await assert.rejects(exportOf(many), {
      code: 'resource-exhausted',
      message: /more memory than one request may have/,
    })
    assert.ok((await exportOf(few)) > 0)
  } finally {
    await threads.close()
    rmSync(tree, { recursive: true })
  }
})
