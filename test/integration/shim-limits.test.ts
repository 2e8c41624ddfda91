// berth-shim at its limits: too many connections, processes and descriptors, broken frames and plans, full disks; and what it weighs.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { encodeExecPlan } from '../../src/shim/encode-plan.ts'
import {
  decodeProcess,
  encodeFrame,
  encodeNumbers,
  encodeState,
  encodeText,
  FRAME,
  type Frame,
  FrameDecoder,
} from '../../src/shim/frames.ts'
import { type Shim, type ShimSettings, StepFailure } from '../../src/shim/shim.ts'
import { connectStream } from '../../src/shim/stream.ts'
import { Bench, exitOf, readAll, readLog, unframe, until, within } from './shim-bench.ts'

const SIGKILL = 9
const ERRNO = { EAGAIN: 11, EMFILE: 24, EPROTO: 71, EMSGSIZE: 90 }
const CONTROL_LIMIT = 16
const CLIENT_LIMIT = 64
const PROCESS_LIMIT = 256
const REQUEST_MAX = 64 << 10
const OUTPUT = { stdin: false, stdout: true, stderr: true }

const bench = new Bench()
test.after(async () => bench[Symbol.asyncDispose]())

function sh(script: string): string[] {
  return ['sh', '-c', script]
}

async function run(settings: ShimSettings, script: string): Promise<Shim> {
  const shim = await bench.spawn(settings, bench.plan(settings, sh(script)))
  await shim.start('init')
  return shim
}

/** A connection that speaks for itself. `isOver`: the shim has hung up, or never took it. */
class Raw {
  readonly frames: Frame[] = []
  isOver = false
  readonly socket: net.Socket
  private readonly decoder = new FrameDecoder()

  constructor(path: string) {
    this.socket = net.connect(path)
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => {
      this.isOver = true
    })
    this.socket.on('data', (chunk: Buffer) => this.frames.push(...this.decoder.push(chunk)))
  }

  /** Errnos of the answers, `ok` for others. */
  answers(): (number | 'ok')[] {
    return this.frames.flatMap(({ type, request, payload }) =>
      request === 0 ? [] : [type === FRAME.error ? payload.readUInt32LE(4) : ('ok' as const)],
    )
  }
}

async function proveItServes(shim: Shim): Promise<void> {
  await shim.add('proof', bench.execPlan(sh('exit 3')))
  await shim.start('proof')
  assert.equal((await exitOf(shim, 'proof')).code, 3)
  await shim.remove('proof')
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Processor time used so far, in ticks of 10 ms. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return Number(fields[11]) + Number(fields[12])
}

test('10 000 connections to each socket: those beyond the limits are refused, and the shim serves on', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const before = descriptors(shim.shimPid)
  const places: [string, number][] = [
    [join(settings.bundle, 'shim.sock'), CONTROL_LIMIT - 1],
    [settings.streamSocketPath ?? '', CLIENT_LIMIT],
  ]
  for (const [path, room] of places) {
    let left: Raw[] = []
    for (let made = 0; made < 10_000; made += 500) {
      const more = Array.from({ length: 500 }, () => new Raw(path))
      left = [...left, ...more]
      await until('refusals', () => left.filter(({ isOver }) => !isOver).length <= room)
      left = left.filter(({ isOver }) => !isOver)
    }
    assert.equal(left.length, room)
    await proveItServes(shim)
    for (const { socket } of left) socket.destroy()
    await until('all are let go', () => descriptors(shim.shimPid) <= before)
  }
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'init', OUTPUT)
  socket.destroy()
})

test('without a descriptor left it refuses what is new, does not spin, and goes on when it has some again', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const limit = (most: number | string): string =>
    execFileSync('prlimit', ['--pid', String(shim.shimPid), `--nofile=${most}:20000`], { encoding: 'utf8' })
  const first = new Raw(join(settings.bundle, 'shim.sock'))
  await until('hello', () => first.frames.length > 0)
  limit(descriptors(shim.shimPid))
  const before = ticks(shim.shimPid)
  const refused = Array.from({ length: 8 }, () => new Raw(join(settings.bundle, 'shim.sock')))
  await until('refusals', () => refused.every(({ isOver }) => isOver))
  await assert.rejects(shim.add('more', bench.execPlan(sh('true'))), new StepFailure(undefined, ERRNO.EMFILE))
  await new Promise((resolve) => setTimeout(resolve, 1000))
  assert.ok(ticks(shim.shimPid) - before < 50)
  limit(20_000)
  await proveItServes(shim)
  first.socket.destroy()
})

test('no more processes than the table holds; ended ones count until they are removed', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const names = Array.from({ length: PROCESS_LIMIT - 1 }, (_, index) => `exec-${index}`)
  for (const name of names) await shim.add(name, bench.execPlan(sh('true')))
  await assert.rejects(shim.add('one-more', bench.execPlan(sh('true'))), new StepFailure(undefined, ERRNO.EAGAIN))
  await Promise.all(names.map((name) => shim.start(name)))
  await Promise.all(names.map((name) => exitOf(shim, name)))
  await assert.rejects(shim.add('one-more', bench.execPlan(sh('true'))), new StepFailure(undefined, ERRNO.EAGAIN))
  await Promise.all(names.map((name) => shim.remove(name)))
  await proveItServes(shim)
})

/** Nothing is read meanwhile. */
function blockUntil(isSo: () => boolean): void {
  for (let left = 1000; !isSo(); left--) {
    assert.ok(left > 0, 'never')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}

test('a daemon that is busy while hundreds of processes run and end is told of each when it listens again', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const names = Array.from({ length: PROCESS_LIMIT - 1 }, (_, index) => `exec-${index}`)
  for (const name of names) await shim.add(name, bench.execPlan(sh('true')))
  const busy = new Raw(join(settings.bundle, 'shim.sock'))
  await until('what there is', () => busy.frames.length === 1 + PROCESS_LIMIT)
  const starts = names.map((name, index) => encodeFrame(FRAME.start, index + 1, encodeText(name)))
  busy.socket.write(Buffer.concat(starts))
  blockUntil(() => readdirSync(settings.bundle).filter((name) => name.startsWith('exit-exec-')).length === names.length)
  await until('answers', () => busy.answers().length === names.length)
  assert.ok(busy.answers().every((answer) => answer === 'ok'))
  await until('all', () => busy.frames.length === 1 + PROCESS_LIMIT + 3 * names.length)
  const told = busy.frames
    .slice(1 + PROCESS_LIMIT)
    .flatMap(({ type, payload }) => (type === FRAME.process ? [decodeProcess(payload)] : []))
  for (const name of names)
    assert.deepEqual(
      told.filter(({ process }) => process === name).map(({ state }) => state),
      ['running', 'exited'],
    )
  busy.socket.destroy()
  await Promise.all(names.map((name) => shim.remove(name)))
  await proveItServes(shim)
})

test('every request cut short anywhere is answered with an error, and changes nothing', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const name = encodeText('init')
  const requests: [number, Buffer][] = [
    [FRAME.start, Buffer.concat([name, encodeState('state')])],
    [FRAME.add, Buffer.concat([encodeText('new'), encodeText('plan-new')])],
    [FRAME.kill, Buffer.concat([name, encodeNumbers([SIGKILL, 4])])],
    [FRAME.resize, Buffer.concat([name, encodeNumbers([1, 2], [1, 2])])],
    [FRAME.closeStdin, name],
    [FRAME.state, name],
    [FRAME.remove, name],
    [FRAME.proceed, Buffer.concat([name, encodeState('state')])],
    [FRAME.started, name],
  ]
  for (const [type, payload] of requests) {
    const connection = new Raw(join(settings.bundle, 'shim.sock'))
    for (let size = 0; size < payload.length; size++)
      connection.socket.write(encodeFrame(type, size + 1, payload.subarray(0, size)))
    await until(`answers to ${type}`, () => connection.answers().length === payload.length)
    assert.equal(connection.answers().includes('ok'), false, `type ${type}`)
    connection.socket.destroy()
  }
  await proveItServes(shim)
})

test('odd frames: unknown types, long lengths, bytes one by one, halves, floods', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const path = join(settings.bundle, 'shim.sock')
  const unknown = new Raw(path)
  const types = [0, 1, 12, 15, 16, 17, 18, 19, 0x7fff, 0xffff]
  for (const [index, type] of types.entries()) unknown.socket.write(encodeFrame(type, index + 1, encodeText('init')))
  await until('answers', () => unknown.answers().length === types.length)
  assert.equal(unknown.answers().includes('ok'), false)

  const longest = new Raw(path)
  longest.socket.write(encodeFrame(FRAME.state, 1, encodeText('init'), Buffer.alloc(REQUEST_MAX - 6)))
  longest.socket.write(encodeFrame(FRAME.state, 2, encodeText('init')))
  await until('answers', () => longest.answers().length === 2)
  const tooLong = Buffer.alloc(8)
  tooLong.writeUInt32LE(REQUEST_MAX + 1)
  tooLong.writeUInt16LE(FRAME.state, 4)
  tooLong.writeUInt16LE(3, 6)
  longest.socket.write(tooLong)
  await until('hangup', () => longest.isOver)
  assert.equal(longest.answers().at(-1), ERRNO.EMSGSIZE)

  const slow = new Raw(path)
  for (const byte of encodeFrame(FRAME.state, 1, encodeText('init'))) {
    slow.socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until('an answer', () => slow.answers().length === 1)
  slow.socket.write(Buffer.from([200, 0, 0, 0, 2]))
  slow.socket.destroy()

  // Thousands of requests, and nobody who takes the answers: hung up on, when they no longer fit.
  const deaf = net.connect(path)
  deaf.on('error', () => undefined)
  deaf.pause()
  await within('connection', once(deaf, 'connect'))
  const flood = Buffer.concat(Array.from({ length: 20_000 }, () => encodeFrame(FRAME.state, 1, encodeText('init'))))
  deaf.write(flood)
  await proveItServes(shim)
  deaf.destroy()
})

test('a plan cut short anywhere makes no process, and leaves no file', async () => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const streams = { stdin: '', stdout: join(settings.bundle, 'out'), stderr: '' }
  const plan = encodeExecPlan(bench.execPlan(sh('true')), streams)
  const connection = new Raw(join(settings.bundle, 'shim.sock'))
  for (let size = 0; size < plan.length; size++) {
    writeFileSync(join(settings.bundle, 'cut'), plan.subarray(0, size))
    connection.socket.write(encodeFrame(FRAME.add, size + 1, encodeText('cut'), encodeText('cut')))
    await until(`answer at ${size}`, () => connection.answers().length === size + 1)
    if (connection.answers().at(-1) === 'ok') await failToStart(shim, 'cut', `cut at ${size}`)
    // Its name is free again once the child, where there was one, has been reaped.
    await until('no child is left', () => childrenOf(shim.shimPid) === 1)
  }
  connection.socket.destroy()
  assert.deepEqual(
    readdirSync(settings.bundle).filter((name) => name.startsWith('plan')),
    [],
  )
  await proveItServes(shim)
})

/** It had all its steps up to the wait for its start. */
async function failToStart(shim: Shim, name: string, what: string): Promise<void> {
  await assert.rejects(shim.start(name), (error) => error instanceof StepFailure && error.errno === ERRNO.EPROTO, what)
  await exitOf(shim, name)
  await shim.remove(name)
}

function childrenOf(pid: number): number {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text !== '').length
}

/** A bundle on a disk of its own, of a few pages. */
function tinyDisk(kib: number): ShimSettings {
  const directory = join(bench.directory, `disk-${kib}`)
  mkdirSync(directory)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', directory])
  test.after(() => execFileSync('umount', ['--lazy', directory]))
  mkdirSync(join(directory, 'rootfs'))
  const log = { driver: 'json-file' as const, path: join(directory, 'log'), maxSizeBytes: 0, maxFiles: 1 }
  return bench.settings({ bundle: directory, streamSocketPath: join(directory, 'streams'), log })
}

test('on a full disk whole log entries are lost, and the container goes on', async () => {
  const settings = tinyDisk(256)
  const shim = await run(settings, 'i=0; while [ $i -lt 5000 ]; do echo "line $i of many"; i=$((i+1)); done; exit 6')
  assert.equal((await exitOf(shim, 'init')).code, 6)
  const lines = readLog(settings.log?.path ?? '').map((entry) => entry.log)
  assert.ok(lines.length > 100 && lines.length < 5000, String(lines.length))
  assert.ok(lines.every((line) => /^line \d+ of many\n$/.test(line)))
  assert.match(readFileSync(settings.log?.path ?? '', 'utf8'), /\}\n$/)
})

async function attachBefore(settings: ShimSettings, script: string): Promise<{ shim: Shim; socket: net.Socket }> {
  const shim = await bench.spawn(settings, bench.plan(settings, sh(script)))
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'init', OUTPUT)
  await shim.start('init')
  return { shim, socket }
}

test('where nothing can be spilled a client that does not read is cut off, and the container goes on', async () => {
  const settings = { ...tinyDisk(64), log: undefined }
  const { shim, socket } = await attachBefore(settings, 'yes 0123456789 | head -c 5000000; exit 4')
  assert.equal((await exitOf(shim, 'init')).code, 4)
  assert.ok(unframe(wholeFrames(await readAll(socket))).stdout.length < 5_000_000)
  await shim.shutdown()
})

/** Without a last frame that is not all there. */
function wholeFrames(bytes: Buffer): Buffer {
  let at = 0
  while (at + 8 <= bytes.length && at + 8 + bytes.readUInt32BE(at + 4) <= bytes.length)
    at += 8 + bytes.readUInt32BE(at + 4)
  return bytes.subarray(0, at)
}

test('a file that is full loses what it cannot take, and the container goes on', async () => {
  const settings = tinyDisk(128)
  const file = join(settings.bundle, 'out')
  const plan = bench.plan(settings, sh('yes 0123456789 | head -c 1000000; exit 5'))
  const shim = await bench.spawn({ ...settings, log: undefined }, plan, {
    streams: { stdin: '', stdout: file, stderr: file },
  })
  await shim.start('init')
  assert.equal((await exitOf(shim, 'init')).code, 5)
  assert.ok(statSync(file).size > 0)
})

/** Resident, KiB: in all, and what is this shim's own. The rest, its program, is shared with every other shim of the daemon. */
function weight(pid: number): { all: number; own: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1])
  return { all: kib('Rss'), own: kib('Pss_Anon') }
}

test('an idle shim has less than 200 KiB of its own and 1 MB in all, with ten execs too, and again after much work', async (t) => {
  const settings = bench.settings()
  const shim = await run(settings, 'exec sleep 1000')
  const weigh = async (what: string): Promise<void> => {
    await until(`light again: ${what}`, () => weight(shim.shimPid).own < 200 && weight(shim.shimPid).all < 1000)
    t.diagnostic(`${what}: ${JSON.stringify(weight(shim.shimPid))} KiB`)
  }
  await weigh('no exec')
  for (let count = 1; count <= 10; count++) {
    const name = `exec-${count}`
    await shim.add(name, bench.execPlan(sh('exec sleep 1000'), { stdin: true }))
    await shim.start(name)
    if (count === 1 || count === 10) await weigh(`${count} execs`)
  }
  const out = join(settings.bundle, 'fifo')
  execFileSync('mkfifo', [out])
  const work = bench.execPlan(sh('yes | head -c 60000'))
  await shim.add('work', work, { streams: { stdin: '', stdout: out, stderr: out } })
  const { socket } = await connectStream(settings.streamSocketPath ?? '', 'work', OUTPUT)
  await shim.start('work', 'x'.repeat(60_000))
  await readAll(socket)
  await weigh('after work')
})
