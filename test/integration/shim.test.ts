// berth-shim with real processes: what a container's user sees of it, with plans written by hand.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { connectShim } from '../../src/shim/connect-shim.ts'
import { encodeFrame, FrameDecoder } from '../../src/shim/frames.ts'
import { readExitRecord } from '../../src/shim/read-exit-record.ts'
import { type Shim, type ShimSettings, StepFailure } from '../../src/shim/shim.ts'
import { attachStream, connectStream, openStream } from '../../src/shim/stream.ts'
import { Bench, exitOf, isAlive, readAll, readLog, unframe, until, within } from './shim-bench.ts'

const SIGKILL = 9
const SIGTERM = 15
const ALL = { stdin: false, stdout: true, stderr: true }
const BOTH_WAYS = { stdin: true, stdout: true, stderr: true }

const bench = new Bench()
test.after(async () => bench[Symbol.asyncDispose]())

function sh(script: string): string[] {
  return ['sh', '-c', script]
}

async function run(
  settings: ShimSettings,
  script: string,
  options: { terminal?: boolean; stdin?: boolean } = {},
): Promise<Shim> {
  const shim = await bench.spawn(settings, bench.plan(settings, sh(script), options))
  await shim.start('init')
  return shim
}

function logText(settings: ShimSettings, stream?: string): string {
  const entries = readLog(settings.log?.path ?? '')
  return entries.flatMap((entry) => (stream === undefined || entry.stream === stream ? [entry.log] : [])).join('')
}

test('a created process runs only after start, and its exit code is told and recorded', async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(
    settings,
    bench.plan(settings, sh('echo out; echo err >&2; hostname; echo pid $$; exit 7')),
  )
  assert.equal(shim.processes.get('init')?.state, 'created')
  assert.equal(logText(settings), '')
  await shim.start('init')
  const exit = await exitOf(shim, 'init')
  assert.equal(exit.code, 7)
  assert.equal(logText(settings, 'stdout'), 'out\nbench\npid 1\n')
  assert.equal(logText(settings, 'stderr'), 'err\n')
  assert.deepEqual(await readExitRecord(settings.bundle, 'init'), exit)
  await shim.shutdown()
  assert.equal(existsSync(join(settings.bundle, 'shim.sock')), false)
  await until('the shim is gone', () => !isAlive(shim.shimPid))
})

test('a process that is killed exits with 128 and the signal', async () => {
  const shim = await run(bench.settings(), 'exec sleep 1000')
  await shim.kill('init', SIGKILL)
  assert.equal((await exitOf(shim, 'init')).code, 128 + SIGKILL)
  await assert.rejects(shim.kill('init', SIGTERM), new StepFailure(undefined, 3))
})

test('a created process can be killed before it starts', async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(settings, bench.plan(settings, sh('echo never')))
  await shim.kill('init', SIGKILL)
  assert.equal((await exitOf(shim, 'init')).code, 128 + SIGKILL)
  await assert.rejects(shim.start('init'), new StepFailure(undefined, 3))
})

test('a step that fails is named with its errno, and the shim ends', async () => {
  const settings = bench.settings()
  const plan = bench.plan(settings, sh('true'))
  const steps = plan.steps.map((step) =>
    step.op === 'resolve-exec' ? { op: step.op, candidates: ['/bin/nope'] } : step,
  )
  const index = steps.findIndex((step) => step.op === 'resolve-exec')
  await assert.rejects(bench.spawn(settings, { ...plan, steps }), new StepFailure(index, 2))
  assert.equal(await connectShim(settings.bundle), undefined)
  assert.equal(existsSync(join(settings.bundle, 'plan')), false)
})

test('an execve that fails is told as the answer to start', async () => {
  const settings = bench.settings()
  writeFileSync(join(bench.rootfs, 'bin/garbage'), 'not a program', { mode: 0o755 })
  const plan = bench.plan(settings, ['garbage'])
  const shim = await bench.spawn(settings, plan)
  await assert.rejects(shim.start('init'), new StepFailure(plan.steps.length - 1, 8))
  assert.equal((await exitOf(shim, 'init')).code, 126)
})

test('attach without a terminal gets both streams in Docker frames, from before the start', async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(settings, bench.plan(settings, sh('echo out; echo err >&2')))
  const { socket, framed } = await connectStream(settings.streamSocketPath ?? '', 'init', ALL)
  assert.equal(framed, true)
  await shim.start('init')
  assert.deepEqual(unframe(await readAll(socket)), { stdout: 'out\n', stderr: 'err\n' })
})

test('a terminal is attached raw, has a name and takes a new size', async () => {
  const settings = bench.settings()
  const script = 'tty; stty size; read line; stty size; echo "got $line"'
  const shim = await bench.spawn(settings, bench.plan(settings, sh(script), { terminal: true }))
  const { socket, framed } = await connectStream(settings.streamSocketPath ?? '', 'init', BOTH_WAYS)
  assert.equal(framed, false)
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  socket.resume()
  await shim.start('init')
  await until('the first size', () => text.includes('24 80'))
  await shim.resize('init', { rows: 40, columns: 100 })
  socket.write('hello\n')
  await within('end', once(socket, 'end'))
  assert.equal(text, '/dev/pts/0\r\n24 80\r\nhello\r\n40 100\r\ngot hello\r\n')
  assert.equal((await exitOf(shim, 'init')).code, 0)
  socket.destroy()
})

test("the end of an attach client's input is the end of standard input", async () => {
  const settings = bench.settings()
  const shim = await bench.spawn(settings, bench.plan(settings, sh('cat; echo done'), { stdin: true }))
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'init', BOTH_WAYS)
  await shim.start('init')
  socket.end('a line\n')
  assert.equal(unframe(await readAll(socket)).stdout, 'a line\ndone\n')
})

test('standard input larger than any pipe arrives whole, even before the start', async () => {
  const settings = bench.settings({ log: undefined })
  const shim = await bench.spawn(settings, bench.plan(settings, ['md5sum'], { stdin: true }))
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'init', BOTH_WAYS)
  const bytes = randomBytes(8 << 20)
  socket.end(bytes)
  await shim.start('init')
  assert.equal(unframe(await readAll(socket)).stdout, `${createHash('md5').update(bytes).digest('hex')}  -\n`)
})

test('close-stdin ends standard input without a client', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'cat; echo done', { stdin: true })
  await shim.closeStdin('init')
  assert.equal((await exitOf(shim, 'init')).code, 0)
  assert.equal(logText(settings), 'done\n')
})

test('a client that does not read gets everything in the end, and holds up neither the process nor another client', async () => {
  const settings = bench.settings({ log: undefined })
  const plan = bench.plan(settings, sh('yes 0123456789 | head -c 20000000'))
  const shim = await bench.spawn(settings, plan)
  const path = settings.streamSocketPath ?? ''
  const slow = await connectStream(path, 'init', ALL)
  const quick = await connectStream(path, 'init', ALL)
  await shim.start('init')
  const size = unframe(await readAll(quick.socket)).stdout.length
  assert.equal(size, 20_000_000)
  await exitOf(shim, 'init')
  assert.equal(unframe(await readAll(slow.socket)).stdout.length, 20_000_000)
})

test('a client that types after the end still reads everything', async () => {
  const settings = bench.settings({ log: undefined })
  const shim = await bench.spawn(settings, bench.plan(settings, sh('echo all of it'), { stdin: true }))
  const client = await connectStream(settings.streamSocketPath ?? '', 'init', BOTH_WAYS)
  await shim.start('init')
  await exitOf(shim, 'init')
  // Nothing has been read yet. A write to a connection that the shim had closed would fail, and Node would drop what is unread.
  await new Promise((resolve) => client.socket.write('too late\n', resolve))
  assert.equal(unframe(await readAll(client.socket)).stdout, 'all of it\n')
})

test('a client that reads nothing at all is cut off when the spill file is full, and the container goes on', async () => {
  const settings = bench.settings({ log: undefined, spillMaxBytes: 1 << 20, stallSeconds: 1 })
  const plan = bench.plan(settings, sh('yes 0123456789 | head -c 20000000'))
  const shim = await bench.spawn(settings, plan)
  const dead = await connectStream(settings.streamSocketPath ?? '', 'init', ALL)
  await shim.start('init')
  assert.equal((await exitOf(shim, 'init')).code, 0)
  dead.socket.destroy()
})

test('an exec has its own streams, record and name, and can be removed', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const { pid } = await shim.add('web-1', bench.execPlan(sh('hostname; cat; echo err >&2; exit 3'), { stdin: true }))
  assert.equal(isAlive(pid), true)
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'web-1', BOTH_WAYS)
  await shim.start('web-1')
  socket.end('in\n')
  assert.deepEqual(unframe(await readAll(socket)), { stdout: 'bench\nin\n', stderr: 'err\n' })
  assert.equal((await exitOf(shim, 'web-1')).code, 3)
  assert.equal((await readExitRecord(settings.bundle, 'web-1'))?.code, 3)
  await shim.remove('web-1')
  assert.equal(await readExitRecord(settings.bundle, 'web-1'), undefined)
  assert.equal(logText(settings), '')
  await shim.add('web-1', bench.execPlan(sh('true')))
  await shim.kill('web-1', SIGKILL)
})

test('who has asked to be attached before a start is asked for misses nothing, whatever the shim has to do first', async () => {
  const settings = bench.settings()
  const path = settings.streamSocketPath ?? ''
  const shim = await run(settings, 'exec yes') // between any two connections the shim has a pipe of it to log
  for (let round = 0; round < 3; round++) {
    const name = `e${round}`
    await shim.add(name, bench.execPlan(sh('echo mine')))
    process.kill(shim.shimPid, 'SIGSTOP')
    const others = await Promise.all(Array.from({ length: 60 }, () => openStream(path)))
    const socket = await openStream(path)
    const attached = attachStream(socket, name, ALL)
    const started = shim.start(name)
    process.kill(shim.shimPid, 'SIGCONT')
    await Promise.all([attached, started])
    assert.deepEqual(unframe(await readAll(socket)), { stdout: 'mine\n', stderr: '' })
    for (const other of others) other.destroy()
    await shim.remove(name)
  }
  await shim.shutdown()
})

test('what the shim has hung up on is not attached', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const socket = await openStream(settings.streamSocketPath ?? '')
  await shim.shutdown()
  await until('the end is seen', () => socket.readableEnded || socket.destroyed)
  assert.throws(
    () => attachStream(socket, 'init', ALL),
    (error) => isFailure(error, 'unavailable'),
  )
  assert.equal(socket.destroyed, true)
})

test('an exec with a terminal', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  await shim.add('t', bench.execPlan(sh('tty; tr "\\0" " " </proc/1/cmdline'), { terminal: true }))
  const { socket, framed } = await connectStream(settings.streamSocketPath ?? '', 't', ALL)
  assert.equal(framed, false)
  await shim.start('t')
  assert.equal((await readAll(socket)).toString(), '/dev/pts/0\r\nsleep 1000 ')
})

test('an exec whose descendant keeps its output open ends all the same, and its stream soon after', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  await shim.add('e', bench.execPlan(sh('sleep 1000 & echo mine')))
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'e', ALL)
  await shim.start('e')
  assert.equal((await exitOf(shim, 'e')).code, 0)
  assert.equal(unframe(await readAll(socket)).stdout, 'mine\n')
})

test('a descendant that is left behind does not delay the exit of the first process', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'sleep 1000 & echo last; exit 4')
  assert.equal((await exitOf(shim, 'init')).code, 4)
  assert.equal(logText(settings, 'stdout'), 'last\n')
})

test('a new connection knows all states, and a lost one stops nothing', async () => {
  const settings = bench.settings()
  const first = await run(settings, 'read line; echo "$line"; exit 5', { stdin: true })
  await first.add('e', bench.execPlan(sh('exit 9')))
  await first.start('e')
  await exitOf(first, 'e')
  await first[Symbol.asyncDispose]()
  const second = await connectShim(settings.bundle)
  assert.ok(second)
  assert.equal(second.shimPid, first.shimPid)
  assert.equal(second.processes.get('init')?.state, 'running')
  assert.equal((await exitOf(second, 'e')).code, 9)
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'init', BOTH_WAYS)
  socket.end('still here\n')
  assert.equal((await exitOf(second, 'init')).code, 5)
  assert.equal(unframe(await readAll(socket)).stdout, 'still here\n')
  await second.shutdown()
})

test('a container cannot write to the program that runs it, nor look into it', async () => {
  const settings = bench.settings()
  const plan = bench.plan(
    settings,
    sh('cat /proc/self/fd/9 >&2; echo x >/proc/self/exe; ls /proc/self/fd | tr "\\n" " "'),
  )
  const shim = await bench.spawn(settings, plan)
  const pid = shim.processes.get('init')?.pid ?? 0
  assert.throws(() => writeFileSync(`/proc/${shim.shimPid}/exe`, 'x'), /EPERM|ETXTBSY/)
  const descriptors = readdirSync(`/proc/${pid}/fd`).map((fd) => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`)
  // Besides the standard streams and the channel to the shim: the three mounts of the plan, which execve closes.
  assert.ok(descriptors.length <= 8, descriptors.join('\n'))
  assert.equal(
    descriptors.some((line) => /memfd|anon_inode|streams|shim/.test(line)),
    false,
    descriptors.join('\n'),
  )
  await shim.start('init')
  await exitOf(shim, 'init')
  assert.match(logText(settings, 'stdout'), /^0 1 2 3 $/) // 3 is the directory that ls reads
})

test('a shim without a daemon records the exit, lingers and goes', async () => {
  const settings = bench.settings({ lingerSeconds: 1 })
  const shim = await run(settings, 'sleep 0.2; exit 6')
  await shim[Symbol.asyncDispose]()
  await until('the shim is gone', () => !isAlive(shim.shimPid))
  assert.equal((await readExitRecord(settings.bundle, 'init'))?.code, 6)
  assert.equal(existsSync(join(settings.bundle, 'shim.sock')), false)
  assert.equal(existsSync(settings.streamSocketPath ?? ''), false)
})

test('the first process dies with its shim', async () => {
  const shim = await run(bench.settings(), 'exec sleep 1000')
  const pid = shim.processes.get('init')?.pid ?? 0
  process.kill(shim.shimPid, 'SIGKILL')
  await within('closed', shim.closed)
  await until('the container is gone', () => !isAlive(pid))
  await assert.rejects(shim.kill('init', SIGTERM), (error) => isFailure(error, 'unavailable'))
})

test('malformed frames are answered or end that connection, and harm nobody', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const socketPath = join(settings.bundle, 'shim.sock')
  const talk = async (bytes: Buffer, answers: number): Promise<number[]> => {
    const socket = net.connect(socketPath)
    const decoder = new FrameDecoder()
    const types: number[] = []
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) if (frame.request !== 0 || frame.type === 17) types.push(frame.type)
    })
    const closed = once(socket, 'close')
    socket.write(bytes)
    if (answers > 0) await until('answers', () => types.length >= answers || socket.destroyed)
    else await within('close', closed)
    socket.destroy()
    return types
  }
  assert.deepEqual(await talk(Buffer.from('ffffffff0200010000', 'hex'), 0), [17])
  assert.deepEqual(await talk(encodeFrame(2, 1), 1), [17]) // no name
  assert.deepEqual(await talk(encodeFrame(2, 1, Buffer.from([0xff, 0xff, 1])), 1), [17]) // a name beyond the frame
  assert.deepEqual(await talk(encodeFrame(77, 1), 1), [17]) // unknown type
  assert.deepEqual(await talk(encodeFrame(4, 1, Buffer.from([4, 0]), Buffer.from('nope'), Buffer.alloc(4)), 1), [17])
  assert.deepEqual(await talk(Buffer.concat([encodeFrame(77, 1), encodeFrame(77, 2)]), 2), [17, 17])
  await assert.rejects(shim.add('../x', bench.execPlan(sh('true'))), (error) => isFailure(error, 'invalid-argument'))
  await assert.rejects(connectStream(settings.streamSocketPath ?? '', 'nobody', ALL), (error) =>
    isFailure(error, 'not-found'),
  )
  const stream = net.connect(settings.streamSocketPath ?? '')
  stream.write('x'.repeat(5000))
  stream.on('error', () => undefined)
  stream.resume()
  await within('close', once(stream, 'close'))
  await shim.resize('init', { rows: 1, columns: 1 }).then(
    () => assert.fail('resized a pipe'),
    (error: unknown) => assert.deepEqual(error, new StepFailure(undefined, 25)),
  )
  assert.equal(shim.processes.get('init')?.state, 'running')
})

test('the log is rotated at its size, and no line is lost within the files kept', async () => {
  const bundle = bench.settings()
  const path = bundle.log?.path ?? ''
  const settings = { ...bundle, log: { driver: 'json-file' as const, path, maxSizeBytes: 20_000, maxFiles: 3 } }
  const shim = await run(settings, 'i=0; while [ $i -lt 1000 ]; do echo "line $i"; i=$((i+1)); done')
  await exitOf(shim, 'init')
  const numbers = [`${path}.2`, `${path}.1`, path].flatMap((file) =>
    readLog(file).map((entry) => Number(entry.log.slice(5))),
  )
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => 1000 - numbers.length + i),
  )
  assert.equal(existsSync(`${path}.3`), false)
  for (const file of [`${path}.2`, `${path}.1`]) {
    const size = statSync(file).size
    assert.ok(size >= 20_000 && size < 20_200, String(size))
  }
})

test('a log line is escaped as Docker does, cut at 16 KiB, and kept without its newline at the end', async () => {
  const settings = bench.settings()
  writeFileSync(join(bench.rootfs, 'tmp/odd'), Buffer.from('a"\\<>&\t\r\u0001\u007f\u00e9\u2028\u{1f600}\n', 'utf8'))
  writeFileSync(join(bench.rootfs, 'tmp/bad'), Buffer.from([0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0x41, 0x0a]))
  const shim = await run(
    settings,
    'cat /tmp/odd /tmp/bad; head -c 20000 /dev/zero 2>/dev/null | tr "\\0" x; yes x | tr -d "\\n" | head -c 20000; echo; printf tail',
  )
  await exitOf(shim, 'init')
  const lines = readFileSync(settings.log?.path ?? '', 'utf8').split('\n')
  const text = (line: string | undefined): string => line?.slice(0, line.indexOf(',"stream":"stdout","time":"20')) ?? ''
  assert.equal(text(lines[0]), '{"log":"a\\"\\\\\\u003c\\u003e\\u0026\\u0009\\r\\u0001\u007f\u00e9\\u2028\u{1f600}\\n"')
  assert.equal(text(lines[1]), `{"log":"${'\\ufffd'.repeat(6)}A\\n"`)
  assert.equal(text(lines[2]), `{"log":"${'x'.repeat(16384)}"`)
  assert.equal(text(lines[3]), `{"log":"${'x'.repeat(20000 - 16384)}\\n"`)
  assert.equal(text(lines[4]), '{"log":"tail"')
  assert.equal(lines[5], '')
})

test('200 MB of output are logged whole', async (t) => {
  const settings = bench.settings()
  const started = Date.now()
  const shim = await run(settings, `yes ${'0123456789'.repeat(10).slice(0, 99)} | head -c 200000000`)
  let done = false
  void shim.closed.then(() => assert.ok(done))
  assert.equal((await new Promise<{ code: number }>((resolve) => shim.onExit((state) => resolve(state.exit)))).code, 0)
  done = true
  const ms = Date.now() - started
  t.diagnostic(`${ms} ms`)
  assert.equal(statSync(settings.log?.path ?? '').size > 280_000_000, true)
})

test('an idle shim is small and holds few descriptors', async (t) => {
  const shim = await run(bench.settings(), 'exec sleep 1000')
  const rollup = readFileSync(`/proc/${shim.shimPid}/smaps_rollup`, 'utf8')
  const kib = Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1])
  t.diagnostic(`PSS ${kib} KiB`)
  assert.ok(kib < 512, `${kib} KiB`)
})

test('a shim whose bundle is removed ends, and its container and its execs with it; one whose pid file alone is missing serves on', async () => {
  const [doomed, spared] = [bench.settings(), bench.settings()]
  const shims = [await run(doomed, 'exec sleep 1000'), await run(spared, 'exec sleep 1000')] as const
  await shims[0].add('more', bench.execPlan(sh('exec sleep 1000')))
  await shims[0].start('more')
  const pids = [shims[0].shimPid, ...[...shims[0].processes.values()].map(({ pid }) => pid)]
  assert.equal(pids.filter(isAlive).length, 3)
  rmSync(join(spared.bundle, 'shim.pid')) // first: it has looked for its bundle by the time the other has
  rmSync(doomed.bundle, { recursive: true })
  await until('all are gone', () => !pids.some(isAlive))
  await shims[1].kill('init', SIGKILL)
  assert.equal((await exitOf(shims[1], 'init')).code, 128 + SIGKILL)
  assert.ok(existsSync(join(spared.bundle, 'exit-init')))
})

test('a bundle that cannot be reached for the time being is no bundle that is gone', async () => {
  const settings = bench.settings()
  const mountPoint = join(bench.directory, 'away')
  mkdirSync(mountPoint)
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mountPoint])
  const there = join(mountPoint, 'bundle')
  mkdirSync(join(there, 'rootfs'), { recursive: true })
  const away = { ...settings, bundle: there, streamSocketPath: undefined, log: undefined }
  const shim = await run(away, 'exec sleep 1000')
  const witness = bench.settings()
  const other = await run(witness, 'exec sleep 1000')
  rmSync(join(there, 'shim.pid'))
  execFileSync('umount', ['-l', mountPoint])
  assert.equal(existsSync(there), false)
  rmSync(witness.bundle, { recursive: true })
  await until('a shim whose bundle is gone has ended', () => !isAlive(other.shimPid))
  await shim.kill('init', SIGKILL)
  assert.equal((await exitOf(shim, 'init')).code, 128 + SIGKILL)
})
