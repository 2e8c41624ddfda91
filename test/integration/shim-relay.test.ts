// berth-shim as a relay: streams of processes that somebody else makes, at FIFOs. The test is the foreign shim.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { type Shim, type ShimSettings, StepFailure, type StreamPaths } from '../../src/shim/shim.ts'
import { connectStream } from '../../src/shim/stream.ts'
import { connectShim } from '../../src/shim/connect-shim.ts'
import { Bench, isAlive, readAll, readLog, until, unframe } from './shim-bench.ts'

const { O_RDWR, O_RDONLY, O_NONBLOCK } = constants
const ERRNO = { ENOENT: 2, EINVAL: 22, EPROTO: 71 }
const ALL = { stdin: true, stdout: true, stderr: true }

const bench = new Bench()
test.after(async () => bench[Symbol.asyncDispose]())

function fifos(settings: ShimSettings, prefix = '', names = ['stdin', 'stdout', 'stderr']): StreamPaths {
  const path = (name: string) => (names.includes(name) ? join(settings.bundle, `${prefix}${name}`) : '')
  execFileSync(
    'mkfifo',
    names.map((name) => path(name)),
  )
  return { stdin: path('stdin'), stdout: path('stdout'), stderr: path('stderr') }
}

async function relay(settings: ShimSettings, paths: StreamPaths, terminal = false): Promise<Shim> {
  const shim = await bench.spawn(settings, { relay: { terminal, fifos: paths } })
  await shim.started('init')
  return shim
}

const logOf = (settings: ShimSettings) => readLog(settings.log?.path ?? '')

const ended = (shim: Shim, process = 'init') =>
  until(`${process} has ended`, () => shim.processes.get(process)?.state === 'exited')

test('output goes to log and clients; without a writer it has not begun, after the last one it has ended', async () => {
  const settings = bench.settings()
  const paths = fifos(settings)
  const shim = await relay(settings, paths)
  const { socket, framed } = await connectStream(settings.streamSocketPath ?? '', 'init', { ...ALL, stdin: false })
  assert.ok(framed)
  const read = readAll(socket)
  const [out, err] = [openSync(paths.stdout, O_RDWR), openSync(paths.stderr, O_RDWR)]
  writeSync(out, 'one\n')
  await until('it is logged', () => logOf(settings).length === 1)
  writeSync(err, 'two\n')
  await until('it is logged', () => logOf(settings).length === 2)
  closeSync(err)
  writeSync(out, 'three')
  closeSync(out)
  await ended(shim)
  assert.deepEqual(unframe(await read), { stdout: 'one\nthree', stderr: 'two\n' })
  assert.deepEqual(
    logOf(settings).map(({ log, stream }) => [log, stream]),
    [
      ['one\n', 'stdout'],
      ['two\n', 'stderr'],
      ['three', 'stdout'],
    ],
  )
})

test('input waits for its reader, and its end is told, to whoever connects later too', async () => {
  const settings = bench.settings()
  const paths = fifos(settings, '', ['stdin', 'stdout'])
  const shim = await relay(settings, paths)
  const told: string[] = []
  shim.onInputEnd((process) => told.push(process))
  const writer = openSync(paths.stdout, O_RDWR)
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'init', ALL)
  socket.resume()
  socket.end('typed')
  const reader = openSync(paths.stdin, O_RDONLY | O_NONBLOCK)
  await until('the end is told', () => told.length === 1)
  const buffer = Buffer.alloc(64)
  assert.equal(buffer.toString('utf8', 0, readSync(reader, buffer)), 'typed')
  assert.equal(readSync(reader, buffer), 0)
  const later = bench.keep((await connectShim(settings.bundle)) as Shim)
  later.onInputEnd((process) => told.push(process))
  await until('it is told again', () => told.length === 2)
  closeSync(writer)
  closeSync(reader)
  await ended(shim)
})

test('a further process has streams of its own, a terminal’s raw and in one; remove takes them away', async () => {
  const settings = bench.settings()
  const shim = await relay(settings, fifos(settings))
  const paths = fifos(settings, 'more-', ['stdout'])
  await shim.add('more', { relay: { terminal: true, fifos: paths } })
  const { socket, framed } = await connectStream(settings.streamSocketPath ?? '', 'more', ALL)
  assert.ok(!framed)
  const read = readAll(socket)
  const writer = openSync(paths.stdout, O_RDWR)
  writeSync(writer, 'raw')
  await shim.remove('more') // with what is in the FIFO, whoever still holds it
  assert.equal((await read).toString(), 'raw')
  closeSync(writer)
  assert.deepEqual(logOf(settings), [])
  await assert.rejects(connectStream(settings.streamSocketPath ?? '', 'more', ALL), { code: 'not-found' })
})

test('what is no FIFO, is not there, or is to be executed here is refused', async () => {
  const settings = bench.settings()
  const refused = (source: Parameters<Shim['add']>[1], errno: number) =>
    assert.rejects(shim.add('x', source), (error) => error instanceof StepFailure && error.errno === errno)
  const shim = await relay(settings, fifos(settings))
  const nothing = { stdin: '', stdout: '', stderr: '' }
  await refused({ relay: { terminal: false, fifos: { ...nothing, stdout: '/dev/null' } } }, ERRNO.EINVAL)
  await refused({ relay: { terminal: false, fifos: { ...nothing, stdin: '/no/such' } } }, ERRNO.ENOENT)
  await refused(bench.execPlan(['true']), ERRNO.EPROTO)
  assert.equal(shim.processes.has('x'), false)
  const other = bench.settings()
  const real = await bench.spawn(other, bench.plan(other, ['sleep', '100']))
  await assert.rejects(real.add('x', { relay: { terminal: false, fifos: fifos(other) } }), { errno: ERRNO.EPROTO })
})

test('one that nobody has started, or whose process has ended, goes with its last connection; one that serves stays', async () => {
  const settings = bench.settings({ lingerSeconds: 1 })
  const unused = await bench.spawn(settings, { relay: { terminal: false, fifos: fifos(settings) } })
  await unused[Symbol.asyncDispose]()
  await until('it is gone', () => !isAlive(unused.shimPid))
  assert.ok(!existsSync(join(settings.bundle, 'shim.sock')))
  const used = bench.settings({ lingerSeconds: 1 })
  const paths = fifos(used)
  const shim = await relay(used, paths)
  const writer = openSync(paths.stdout, O_RDWR)
  const errors = openSync(paths.stderr, O_RDWR)
  await shim[Symbol.asyncDispose]()
  writeSync(writer, 'on\n')
  await until('it writes the log', () => logOf(used).length === 1)
  assert.ok(isAlive(shim.shimPid))
  closeSync(errors)
  closeSync(writer)
  await until('it is gone', () => !isAlive(shim.shimPid))
})
