// berth-init with real processes: what its caller sees of it, from the plan to the program, and where it ends instead.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import test from 'node:test'
import { ERRNO } from '../../src/linux/kernel-error.ts'
import { checked, libcFunction } from '../../src/linux/libc.ts'
import type { Step } from '../../src/linux/steps.ts'
import { encodeExecPlan, encodeShimPlan } from '../../src/shim/encode-plan.ts'
import { InitBench, type InitRun, MESSAGE } from './init-bench.ts'
import { until } from './shim-bench.ts'

const EPROTO = 71
const EPROTOTYPE = 91
const CLONE_NEWNS = 0x20000
const CLONE_NEWUTS = 0x4000000
const CLONE_NEWPID = 0x20000000
const SIGKILL = 9
const SYS_PIDFD_OPEN = 434
const O_NONBLOCK = constants.O_NONBLOCK
const CREATED: Step = { op: 'await-start' }
/** The shell's open descriptors, without the directory that it reads for that. */
const LIST = 'for fd in /proc/$$/fd/*; do readlink $fd >/dev/null && basename $fd; done'

const bench = new InitBench()
test.after(() => bench.dispose())

const pidfdOpen = libcFunction('syscall', 'long', 'int', 'uint')

/** The FIFOs of `await-fifo` and the steps that open them and wait. */
function fifos(): { fifo: string; status: string; open: Step[]; wait: Step } {
  const [fifo, status] = [bench.path('fifo'), bench.path('status')]
  execFileSync('mkfifo', [fifo, status])
  const flags = constants.O_RDWR
  const open: Step[] = [
    { op: 'open-host', slot: 1, path: fifo, flags },
    { op: 'open-host', slot: 2, path: status, flags },
  ]
  return { fifo, status, open, wait: { op: 'await-fifo', fifo: 1, status: 2 } }
}

function asNobody(argv: readonly string[]): string {
  return execFileSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...argv], {
    stdio: 'pipe',
  }).toString()
}

/** What `start` does: the word into one FIFO, what went wrong from the other. */
function start(paths: { fifo: string; status: string }, state = ''): Buffer {
  const status = openSync(paths.status, constants.O_RDONLY | O_NONBLOCK)
  const fifo = openSync(paths.fifo, constants.O_WRONLY | O_NONBLOCK)
  writeSync(fifo, `s${state}\0`)
  closeSync(fifo)
  const blocking = openSync(`/proc/self/fd/${status}`, constants.O_RDONLY | O_NONBLOCK)
  closeSync(status)
  return readToEnd(blocking)
}

function readToEnd(fd: number): Buffer {
  const chunks: Buffer[] = []
  const end = Date.now() + 10_000
  for (;;) {
    const chunk = Buffer.alloc(4096)
    try {
      const size = readSync(fd, chunk)
      if (size === 0) break
      chunks.push(chunk.subarray(0, size))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN') || Date.now() > end) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
  }
  closeSync(fd)
  return Buffer.concat(chunks)
}

test('the process is its caller’s child, waits, runs, and its exit status is the caller’s to reap', async () => {
  const run = await bench.run(InitBench.shell('echo out; echo err >&2; echo $PPID; exit 7', [CREATED]))
  await run.until(MESSAGE.created)
  assert.equal(await run.exitOfInit(), 0)
  assert.equal(run.output, '')
  run.proceed()
  const { status, output } = await run.end()
  assert.deepEqual(
    run.messages.map((message) => message.kind),
    [MESSAGE.cloned, MESSAGE.created],
  )
  assert.equal(status, 7 << 8)
  assert.deepEqual(output.split('\n').sort(), ['', String(process.pid), 'err', 'out'].sort())
})

test('the program has its standard input, no blocked or ignored signal, and nobody may look into it before', async () => {
  const steps: Step[] = [
    { op: 'resolve-exec', candidates: ['/bin/busybox'] },
    CREATED,
    { op: 'exec', argv: ['grep', '-E', '^(SigBlk|SigIgn|typed)', '/proc/self/status', '-'], env: [] },
  ]
  const wrapped = (argv: readonly string[]) => [
    'setpriv',
    '--pdeathsig',
    'clear',
    'sh',
    '-c',
    'trap "" HUP TERM USR1; exec "$@"',
    'sh',
    ...argv,
  ]
  const run = await bench.run(steps, {}, { stdin: 'typed\n', wrapped })
  await run.until(MESSAGE.created)
  assert.equal(readFileSync(`/proc/${run.pid}/comm`, 'latin1'), 'berth-init\n')
  assert.throws(() => asNobody(['cat', `/proc/${run.pid}/environ`]), /Permission denied/)
  run.proceed()
  const { output } = await run.end()
  assert.match(output, /SigBlk:\t0{16}\n.*SigIgn:\t0{16}\n.*typed\n/s)
})

test('preserved descriptors stay at their numbers, and nothing else is open', async () => {
  const paths = ['three', 'four', 'five'].map((text) => {
    const path = bench.path(text)
    writeFileSync(path, text)
    return path
  })
  const preserved = paths.map((path) => openSync(path, 'r'))
  const steps = InitBench.shell(`cat <&3; cat <&4; cat <&5; echo; ${LIST}`, [CREATED])
  const run = await bench.run(
    steps.map((step) => (step.op === 'close-fds' ? { op: 'close-fds', from: 6 } : step)),
    {},
    { preserved },
  )
  for (const fd of preserved) closeSync(fd)
  await run.until(MESSAGE.created)
  run.proceed()
  const { output } = await run.end()
  assert.equal(output, 'threefourfive\n0\n1\n2\n3\n4\n5\n')
})

test('a descriptor that is open in the caller and not preserved does not reach the program', async () => {
  const run = await bench.run(
    InitBench.shell(LIST),
    {},
    { wrapped: (argv) => ['sh', '-c', `exec 9</etc; exec "$@"`, 'sh', ...argv] },
  )
  assert.equal((await run.end()).output, '0\n1\n2\n')
})

test('missing standard streams are taken from nowhere', async () => {
  const script = 'in=$(readlink /proc/$$/fd/0); out=$(readlink /proc/$$/fd/1); echo $in $out >&2'
  const wrapped = (argv: readonly string[]) => ['sh', '-c', 'exec "$@" <&- >&-', 'sh', ...argv]
  const run = await bench.run(InitBench.shell(script), {}, { wrapped })
  assert.equal((await run.end()).output, '/dev/null /dev/null\n')
})

test('a failed step is told with its errno', async () => {
  const steps = InitBench.shell('true')
  steps[0] = { op: 'resolve-exec', candidates: ['/bin/nope'] }
  const run = await bench.run([{ op: 'setsid' }, ...steps])
  assert.deepEqual(await run.failure(), [1, ERRNO.ENOENT])
  assert.equal(await run.reap(), 127 << 8)
})

test('a plan that is none, or somebody else’s, is refused before there is a process', async () => {
  const good = {
    cloneFlags: 0,
    joinInitPidNamespace: false,
    cgroupDirectory: undefined,
    terminal: false,
    stdin: false,
    steps: [],
  }
  const settings = {
    bundle: '/b',
    label: 'a/b',
    streamSocketPath: undefined,
    log: undefined,
    stdinOnce: false,
    spillMaxBytes: 0,
    stallSeconds: 1,
    lingerSeconds: 1,
  }
  const table: [string, Uint8Array, number][] = [
    ['empty', new Uint8Array(), ERRNO.EINVAL],
    ['no magic', Buffer.from('nonsense of some length, nothing more'), EPROTO],
    ['cut off', encodeExecPlan(good).subarray(0, 20), EPROTO],
    ['with settings', encodeShimPlan(settings, good), EPROTO],
    ['a cgroup that is not there', encodeExecPlan({ ...good, cgroupDirectory: '/nope' }), ERRNO.ENOENT],
    ['flags that clone3 refuses', encodeExecPlan({ ...good, cloneFlags: 0x10000 }), ERRNO.EINVAL],
  ]
  for (const [name, bytes, errno] of table) {
    const run = await bench.run([], {}, { bytes })
    assert.equal(await run.exitOfInit(), errno, name)
    assert.equal(await run.next(), undefined, name)
  }
})

test('steps that are none, or end too soon, fail as such', async () => {
  const plan = (...steps: Step[]) =>
    encodeExecPlan({
      cloneFlags: 0,
      joinInitPidNamespace: false,
      cgroupDirectory: undefined,
      terminal: false,
      stdin: false,
      steps,
    })
  const at = plan().length
  const unknown = Buffer.from(plan({ op: 'setsid' }))
  unknown[at] = 200
  const none = Buffer.from(unknown)
  none[at] = 0
  const short = Buffer.from(plan({ op: 'umask', mask: 0 }))
  short.writeUInt32LE(3, at + 3)
  const table: [string, Uint8Array, number][] = [
    ['unknown number', unknown, EPROTO],
    ['number 0', none, EPROTO],
    ['arguments cut short', short, EPROTO],
    ['no exec at the end', plan(), 8],
  ]
  for (const [name, bytes, errno] of table) {
    const run = await bench.run([], {}, { bytes })
    assert.deepEqual(await run.failure(), [0, errno], name)
    await run.reap()
  }
})

test('wrong arguments of berth-init are refused', async () => {
  const change = (index: number, value: string) => (argv: readonly string[]) =>
    argv.map((text, i) => (i === index ? value : text))
  const table: [string, (argv: readonly string[]) => readonly string[], number][] = [
    ['not a number', change(1, '3x'), ERRNO.EINVAL],
    ['nothing', change(2, ''), ERRNO.EINVAL],
    ['a pidfd of -2', change(3, '-2'), ERRNO.EINVAL],
    ['the plan among the preserved', change(4, '1'), ERRNO.EINVAL],
    ['a channel that is a file', change(2, '3'), 88],
    ['a closed channel', change(2, '77'), ERRNO.EBADF],
    ['too many arguments', (argv) => [...argv, 'company'], ERRNO.EINVAL],
    ['a stream for a channel', (argv) => ['python3', '-c', STREAM_CHANNEL, ...argv], EPROTOTYPE],
  ]
  for (const [name, wrapped, errno] of table) {
    const run = await bench.run(InitBench.shell('true'), {}, { wrapped })
    assert.equal(await run.exitOfInit(), errno, name)
  }
  const gap = await bench.run(
    InitBench.shell('true'),
    {},
    {
      wrapped: (argv) => ['sh', '-c', 'exec 8<&3 9<&4 3<&- 4<&-; shift; exec "$0" 8 9 -1 2', argv[0] ?? '', ...argv],
    },
  )
  assert.equal(await gap.exitOfInit(), ERRNO.EBADF)
})

const STREAM_CHANNEL = `
import os, socket, sys
ours, theirs = socket.socketpair()
os.dup2(theirs.fileno(), 4)
os.execv(sys.argv[1], sys.argv[1:])
`

test('a caller that hangs up ends the process, and nothing is left', async () => {
  const run = await bench.run(InitBench.shell('echo never', [CREATED]))
  await run.until(MESSAGE.created)
  run.hangUp()
  assert.equal(await run.reap(), 0)
  assert.equal(await run.allOutput(), '')
})

test('a word that is not the letter ends the process', async () => {
  for (const word of ['x', 'xs', `s${'x'.repeat((64 << 10) + 1)}`]) {
    const run = await bench.run(InitBench.shell('echo never', [CREATED]))
    await run.until(MESSAGE.created)
    run.say(word)
    const { output } = await run.end()
    assert.equal(output, '')
  }
})

test('an exec joins the first process by its pidfd and is born in its PID namespace', async () => {
  const first = await bench.run([{ op: 'sethostname', name: 'inside' }, ...InitBench.shell('sleep 1000')], {
    cloneFlags: CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS,
  })
  await first.drain()
  const pidfd = checked(pidfdOpen(SYS_PIDFD_OPEN, first.pid, 0), 'pidfd_open', String(first.pid))
  const steps: Step[] = [{ op: 'setns-init', kinds: CLONE_NEWUTS }, ...InitBench.shell('hostname; echo $$')]
  const run = await bench.run(steps, { joinInitPidNamespace: true }, { pidfd })
  closeSync(pidfd)
  assert.match((await run.end()).output, /^inside\n\d\n$/)
  first.signal(SIGKILL)
  await first.reap()
})

test('by FIFO: the process is created, hangs up, and runs when the word comes', async () => {
  const paths = fifos()
  const run = await bench.run([...paths.open, ...InitBench.shell(LIST, [paths.wait])])
  await run.until(MESSAGE.created)
  assert.equal(await run.next(), undefined) // the channel is closed: its caller may go
  assert.deepEqual(start(paths), Buffer.alloc(0))
  assert.equal((await run.end()).output, '0\n1\n2\n')
})

test('by FIFO: a program that cannot be executed is told to the starter', async () => {
  const paths = fifos()
  const script = bench.path('script')
  writeFileSync(script, '#!/nope\n', { mode: 0o755 })
  const steps: Step[] = [
    ...paths.open,
    { op: 'resolve-exec', candidates: [script] },
    { op: 'close-fds' },
    paths.wait,
    { op: 'exec', argv: [script], env: [] },
  ]
  const run = await bench.run(steps)
  await run.until(MESSAGE.created)
  const told = start(paths)
  assert.deepEqual([told.readUInt32LE(0), told.readUInt32LE(4), told.length], [5, ERRNO.ENOENT, 8])
  assert.equal(await run.reap(), 127 << 8)
})

test('by FIFO: a starter of a dead process is told so by the kernel', async () => {
  const paths = fifos()
  const run = await bench.run([...paths.open, ...InitBench.shell('true', [paths.wait])])
  await run.until(MESSAGE.created)
  run.signal(SIGKILL)
  await run.reap()
  assert.throws(() => openSync(paths.fifo, constants.O_WRONLY | O_NONBLOCK), /ENXIO/)
})

test('by FIFO: a word in pieces is one word, and a wrong one ends the process', async () => {
  const paths = fifos()
  const run = await bench.run([...paths.open, ...InitBench.shell('echo ran', [paths.wait])])
  await run.until(MESSAGE.created)
  const fifo = openSync(paths.fifo, constants.O_WRONLY | O_NONBLOCK)
  for (const part of ['s', '{"a', '":1}']) {
    writeSync(fifo, part)
    await until('it is read', () => isDrained(run))
  }
  assert.equal(run.output, '')
  writeSync(fifo, '\0')
  closeSync(fifo)
  assert.equal((await run.end()).output, 'ran\n')

  const wrong = fifos()
  const other = await bench.run([...wrong.open, ...InitBench.shell('echo never', [wrong.wait])])
  await other.until(MESSAGE.created)
  const end = openSync(wrong.fifo, constants.O_WRONLY | O_NONBLOCK)
  writeSync(end, 'no\0')
  closeSync(end)
  assert.equal((await other.end()).output, '')
})

/** The process sleeps in a read of a pipe. */
function isDrained(run: InitRun): boolean {
  return /pipe_read|anon_pipe/.test(readFileSync(`/proc/${run.pid}/wchan`, 'latin1') || 'pipe_read')
}

test('berth-init is a program of nothing but itself, and leaves nothing in the directory it runs in', async () => {
  const before = readdirSync(bench.directory).length
  const run = await bench.run(InitBench.shell('true', [CREATED]))
  await run.until(MESSAGE.created)
  assert.equal(readdirSync(bench.directory).length, before + 1) // the plan, which is the caller's
  assert.doesNotMatch(readFileSync(`/proc/${run.pid}/maps`, 'latin1'), /\.so/)
  assert.match(readlinkSync(`/proc/${run.pid}/exe`), /berth-init$/)
  run.proceed()
  await run.end()
})
