// berth-shim and stream paths: FIFOs and files as a process's standard streams, beside log and attach clients.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { type Shim, type ShimSettings, StepFailure, type StreamPaths } from '../../src/shim/shim.ts'
import { connectStream } from '../../src/shim/stream.ts'
import { Bench, exitOf, isAlive, readAll, readLog, unframe, until, within } from './shim-bench.ts'

const SIGKILL = 9
const ERRNO = { ENOENT: 2, EINVAL: 22 }
const PIPE_CAPACITY = 64 << 10
const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants

const bench = new Bench()
test.after(async () => bench[Symbol.asyncDispose]())

function sh(script: string): string[] {
  return ['sh', '-c', script]
}

/** Three FIFOs in the bundle. */
function fifos(settings: ShimSettings, prefix = ''): StreamPaths {
  const paths = {
    stdin: join(settings.bundle, `${prefix}in`),
    stdout: join(settings.bundle, `${prefix}out`),
    stderr: join(settings.bundle, `${prefix}err`),
  }
  execFileSync('mkfifo', Object.values(paths))
  return paths
}

async function spawnWith(
  settings: ShimSettings,
  script: string,
  streams: StreamPaths,
  terminal = false,
): Promise<Shim> {
  return await bench.spawn(settings, bench.plan(settings, sh(script), { terminal }), { streams })
}

async function run(settings: ShimSettings, script: string, streams: StreamPaths, terminal = false): Promise<Shim> {
  const shim = await spawnWith(settings, script, streams, terminal)
  await shim.start('init')
  return shim
}

/** Everything that a reader of its own gets from a FIFO, from its opening to its end. */
class Reader {
  text = ''
  readonly ended: Promise<string>
  private readonly program: ChildProcess

  /** Resolves when the FIFO is open: one whose last writer has gone would keep a reader waiting for the next. */
  static async open(path: string, shell?: string): Promise<Reader> {
    const reader = new Reader(path, shell)
    await until(`a reader of ${path}`, () => reader.input() === path || reader.program.exitCode !== null)
    return reader
  }

  private constructor(path: string, shell = 'exec cat') {
    this.program = spawn('sh', ['-c', `${shell} <"$0"`, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.program.stdout?.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1')
    })
    this.ended = within(`end of ${path}`, once(this.program, 'close')).then(() => this.text)
    test.after(() => this.program.kill('SIGKILL'))
  }

  private input(): string | undefined {
    try {
      return readlinkSync(`/proc/${this.program.pid}/fd/0`)
    } catch {
      return undefined // it has read everything already
    }
  }
}

/** What a FIFO holds now; the reader comes and goes. */
function readNow(path: string): string {
  const fd = openSync(path, O_RDONLY | O_NONBLOCK)
  const room = Buffer.alloc(PIPE_CAPACITY)
  try {
    return room.toString('latin1', 0, readSync(fd, room))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return ''
    throw error
  } finally {
    closeSync(fd)
  }
}

async function write(path: string, text: string | Buffer): Promise<void> {
  const writer = spawn('sh', ['-c', 'exec cat >"$0"', path], { stdio: ['pipe', 'ignore', 'inherit'] })
  writer.stdin?.end(text)
  await within('write', once(writer, 'close'))
}

function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
}

function logText(settings: ShimSettings): string {
  return readLog(settings.log?.path ?? '')
    .map((entry) => entry.log)
    .join('')
}

test('output goes to both FIFOs, to the log and to an attach client, and each FIFO ends with it', async () => {
  const settings = bench.settings()
  const streams = { ...fifos(settings), stdin: '' }
  const shim = await spawnWith(settings, 'echo out; echo err >&2; exit 3', streams)
  const readers = await Promise.all([Reader.open(streams.stdout), Reader.open(streams.stderr)])
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'init', {
    stdin: false,
    stdout: true,
    stderr: true,
  })
  await shim.start('init')
  assert.deepEqual(await Promise.all(readers.map((reader) => reader.ended)), ['out\n', 'err\n'])
  assert.deepEqual(unframe(await readAll(socket)), { stdout: 'out\n', stderr: 'err\n' })
  assert.equal((await exitOf(shim, 'init')).code, 3)
  assert.equal([...logText(settings).matchAll(/out|err/g)].length, 2)
})

test('a reader may be late, go and come again: what fits the pipe is kept, and the process never gets a signal', async () => {
  const settings = bench.settings({ log: undefined })
  const streams = { ...fifos(settings), stdin: '', stderr: '' }
  const shim = await run(settings, 'for i in 1 2 3; do echo "line $i"; read line; done; exec sleep 1000', {
    ...streams,
    stdin: fifos(settings, 'x').stdin,
  })
  const input = join(settings.bundle, 'xin')
  for (const line of ['line 1\n', 'line 2\n', 'line 3\n']) {
    let got = ''
    await until(line, () => {
      got += readNow(streams.stdout)
      return got === line
    })
    await write(input, 'next\n')
  }
  await write(input, 'the last writer went three times, and nothing ended\n')
  assert.equal(shim.processes.get('init')?.state, 'running')
})

test('standard input from a FIFO ends with close-stdin, after all that was in it', async () => {
  const settings = bench.settings({ log: undefined })
  const streams = { ...fifos(settings), stderr: '' }
  const bytes = randomBytes(3 << 20)
  const shim = await spawnWith(settings, 'md5sum', streams)
  const reader = await Reader.open(streams.stdout)
  const written = write(streams.stdin, bytes) // more than all buffers together: it lasts until the process reads
  await shim.start('init')
  await written
  await shim.closeStdin('init')
  assert.equal(await reader.ended, `${createHash('md5').update(bytes).digest('hex')}  -\n`)
  assert.equal((await exitOf(shim, 'init')).code, 0)
})

test('close-stdin before anything was written ends an input that nobody ever opened', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'cat; echo ended', fifos(settings))
  await shim.closeStdin('init')
  assert.equal((await exitOf(shim, 'init')).code, 0)
  assert.equal(logText(settings), 'ended\n')
})

test('a writer that is still there after close-stdin is heard to its end', async () => {
  const settings = bench.settings()
  const streams = fifos(settings)
  const shim = await run(settings, 'cat; echo ended', streams)
  const fd = openSync(streams.stdin, O_WRONLY | O_NONBLOCK)
  await shim.closeStdin('init')
  writeSync(fd, 'late\n')
  await until('the late line', () => logText(settings) === 'late\n')
  closeSync(fd)
  assert.equal((await exitOf(shim, 'init')).code, 0)
  assert.equal(logText(settings), 'late\nended\n')
})

test('input goes on although its reader is slow: it waits in the FIFO, and other processes go on', async () => {
  const settings = bench.settings()
  const streams = fifos(settings)
  const shim = await run(settings, 'exec sleep 1000', streams)
  const fd = openSync(streams.stdin, O_WRONLY | O_NONBLOCK)
  let written = 0
  await until('all buffers are full', () => {
    try {
      written += writeSync(fd, Buffer.alloc(4096, 'x'))
    } catch {
      return written > 2 * PIPE_CAPACITY - 8192
    }
    return false
  })
  await shim.add('other', bench.execPlan(sh('exit 2')))
  await shim.start('other')
  assert.equal((await exitOf(shim, 'other')).code, 2)
  closeSync(fd)
  await shim.kill('init', SIGKILL)
})

test('with a terminal one FIFO carries everything, and input is typed through the other', async () => {
  const settings = bench.settings({ log: undefined })
  const streams = { ...fifos(settings), stderr: '' }
  const shim = await spawnWith(settings, 'tty; read line; echo "got $line"; stty size; echo err >&2', streams, true)
  await shim.resize('init', { rows: 33, columns: 99 })
  const reader = await Reader.open(streams.stdout)
  await shim.start('init')
  await write(streams.stdin, 'hello\n')
  assert.equal(await reader.ended, '/dev/pts/0\r\nhello\r\ngot hello\r\n33 99\r\nerr\r\n')
})

test('the end of a FIFO is no end of a terminal', async () => {
  const settings = bench.settings({ log: undefined })
  const streams = { ...fifos(settings), stderr: '' }
  const shim = await spawnWith(settings, 'read line; sleep 0.1; echo "got $line"; exit 6', streams, true)
  const reader = await Reader.open(streams.stdout)
  await shim.start('init')
  await write(streams.stdin, 'hello\n')
  await shim.closeStdin('init')
  assert.equal((await exitOf(shim, 'init')).code, 6)
  assert.equal(await reader.ended, 'hello\r\ngot hello\r\n')
})

test('a stuck reader blocks that stream alone, like a pipe; what it has not read waits for it, also after the exit', async () => {
  const settings = bench.settings()
  const streams = { ...fifos(settings), stdin: '' }
  const size = 300_000
  const script = `exec 3>&1
    { yes 0123456789 | head -c ${size} >&3; echo >/tmp/out-done; } | { sleep 0.2; echo err >&2; cat; }
    echo end >&2`
  const holder = openSync(streams.stdout, O_RDONLY | O_NONBLOCK)
  const shim = await run(settings, script, streams)
  const errors = await Reader.open(streams.stderr)
  await until('standard error', () => errors.text === 'err\n')
  const done = join(bench.rootfs, 'tmp/out-done')
  await shim.add('other', bench.execPlan(sh('exit 5')))
  await shim.start('other')
  assert.equal((await exitOf(shim, 'other')).code, 5)
  assert.equal(existsSync(done), false) // it waits, like at any pipe
  assert.equal(shim.processes.get('init')?.state, 'running')
  const reader = await Reader.open(streams.stdout, 'exec head -c 200000')
  await until('the writer is through', () => existsSync(done))
  assert.equal((await exitOf(shim, 'init')).code, 0)
  assert.equal((await reader.ended).length, 200_000)
  // Longer than stragglers are listened to: the rest is no straggler's.
  await new Promise((resolve) => setTimeout(resolve, 2500))
  const rest = await Reader.open(streams.stdout)
  assert.equal((await rest.ended).length, size - 200_000)
  assert.equal(await errors.ended, 'err\nend\n')
  closeSync(holder)
  assert.equal(logText(settings).replace(/err\n|end\n/g, '').length, size)
})

test('a stuck reader does not hold up the end of the shim', async () => {
  const settings = bench.settings({ log: undefined })
  const streams = { ...fifos(settings), stdin: '', stderr: '' }
  const holder = openSync(streams.stdout, O_RDONLY | O_NONBLOCK)
  const shim = await run(settings, 'yes | head -c 100000', streams)
  await exitOf(shim, 'init')
  await within('shutdown', shim.shutdown())
  await until('the shim is gone', () => !isAlive(shim.shimPid))
  closeSync(holder)
})

test('who removes an exec as soon as it has ended, or ends the shim, takes nothing from a reader who reads', async () => {
  const settings = bench.settings({ log: undefined })
  const shim = await run(settings, 'exec sleep 1000', { stdin: '', stdout: '', stderr: '' })
  const size = 130_000 // more than the FIFO holds
  for (const end of ['remove', 'shutdown']) {
    const stdout = join(settings.bundle, `out-${end}`)
    execFileSync('mkfifo', [stdout])
    const holder = openSync(stdout, O_RDONLY | O_NONBLOCK)
    const plan = bench.execPlan(sh(`yes 0123456789 | head -c ${size}`))
    await shim.add('loud', plan, { streams: { stdin: '', stdout, stderr: '' } })
    await shim.start('loud')
    await exitOf(shim, 'loud')
    const ended = end === 'remove' ? shim.remove('loud') : shim.shutdown()
    const reader = await Reader.open(stdout)
    closeSync(holder)
    assert.equal((await reader.ended).length, size)
    await within(end, ended)
  }
})

test('an exec whose reader never reads is removed all the same', async () => {
  const settings = bench.settings({ log: undefined })
  const shim = await run(settings, 'exec sleep 1000', { stdin: '', stdout: '', stderr: '' })
  const { stdout } = fifos(settings)
  const streams = { stdin: '', stdout, stderr: '' }
  await shim.add('loud', bench.execPlan(sh('yes | head -c 130000')), { streams })
  await shim.start('loud')
  await exitOf(shim, 'loud')
  await within('removal', shim.remove('loud'))
  await shim.add('loud', bench.execPlan(sh('true')))
})

test('execs have FIFOs of their own, which are closed with them', async () => {
  const settings = bench.settings({ log: undefined })
  const shim = await run(settings, 'exec sleep 1000', { stdin: '', stdout: '', stderr: '' })
  const before = descriptorsOf(shim.shimPid).length
  const streams = fifos(settings, 'exec-')
  await shim.add('web', bench.execPlan(sh('cat; echo err >&2; exit 7')), { streams })
  const readers = await Promise.all([Reader.open(streams.stdout), Reader.open(streams.stderr)])
  await shim.start('web')
  await write(streams.stdin, 'typed\n')
  await shim.closeStdin('web')
  assert.deepEqual(await Promise.all(readers.map((reader) => reader.ended)), ['typed\n', 'err\n'])
  assert.equal((await exitOf(shim, 'web')).code, 7)
  await shim.remove('web')
  assert.equal(descriptorsOf(shim.shimPid).length, before)
  assert.equal(
    descriptorsOf(shim.processes.get('init')?.pid ?? 0).some((target) => target.includes(settings.bundle)),
    false,
  )
})

test('a file is appended to, made where it is missing, and may take both outputs', async () => {
  const settings = bench.settings({ log: undefined })
  const file = join(settings.bundle, 'both')
  const streams = { stdin: '', stdout: file, stderr: file }
  for (const word of ['one', 'two']) {
    const own = bench.settings({ log: undefined })
    const shim = await run(own, `echo ${word}; echo err >&2`, streams)
    await exitOf(shim, 'init')
  }
  assert.deepEqual(readFileSync(file, 'utf8').split('\n').sort(), ['', 'err', 'err', 'one', 'two'])
  assert.equal(statSync(file).mode & 0o777, 0o644 & ~process.umask())
})

test('20 MB through a FIFO arrive whole', async () => {
  const settings = bench.settings({ log: undefined })
  const streams = { ...fifos(settings), stdin: '', stderr: '' }
  const shim = await spawnWith(settings, 'yes 0123456789 | head -c 20000000', streams)
  const reader = await Reader.open(streams.stdout, 'exec md5sum')
  await shim.start('init')
  const line = '0123456789\n'
  const expected = createHash('md5').update(line.repeat(Math.ceil(20_000_000 / line.length)).slice(0, 20_000_000))
  assert.equal(await reader.ended, `${expected.digest('hex')}  -\n`)
})

test('a path that is no FIFO, or leads nowhere, is refused before anything runs', async () => {
  const settings = bench.settings()
  const none = { stdin: '', stdout: '', stderr: '' }
  const plain = join(settings.bundle, 'plain')
  writeFileSync(plain, 'text')
  const table: [Partial<StreamPaths>, number][] = [
    [{ stdin: join(settings.bundle, 'missing') }, ERRNO.ENOENT],
    [{ stdin: plain }, ERRNO.EINVAL],
    [{ stdout: join(settings.bundle, 'missing/out') }, ERRNO.ENOENT],
    [{ stderr: settings.bundle }, 21],
  ]
  for (const [streams, errno] of table) {
    const own = bench.settings()
    await assert.rejects(spawnWith(own, 'true', { ...none, ...streams }), new StepFailure(undefined, errno))
  }
  const shim = await run(settings, 'exec sleep 1000', none)
  for (const [streams, errno] of table)
    await assert.rejects(
      shim.add('bad', bench.execPlan(sh('true')), { streams: { ...none, ...streams } }),
      new StepFailure(undefined, errno),
    )
  assert.equal(readFileSync(plain, 'utf8'), 'text')
})
