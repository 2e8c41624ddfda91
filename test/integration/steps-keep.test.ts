// berth-init with `keep`: it stays, passes signals on, reaps, relays the terminal; and what `pty` does with a console socket.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { constants, existsSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { ERRNO } from '../../src/linux/kernel-error.ts'
import { CONSOLE_SOCKET_SLOT, type Step, SYNC } from '../../src/linux/steps.ts'
import { InitBench, type InitRun, MESSAGE } from './init-bench.ts'
import { isAlive, until } from './shim-bench.ts'

const CLONE_NEWPID = 0x20000000
const CLONE_NEWUSER = 0x10000000
const O_PATH = 0o10000000

const bench = new InitBench()
test.after(() => bench.dispose())

/** The process on a terminal whose master goes to berth-init, or over the socket in `socket`. */
function onTerminal(script: string, socket = CONSOLE_SOCKET_SLOT): Step[] {
  return [
    { op: 'open-host', slot: 6, path: '/dev/pts', flags: O_PATH | constants.O_DIRECTORY },
    { op: 'setsid' },
    { op: 'pty', devpts: 6, rows: 0, columns: 0, uid: 0, gid: 0, socket },
    ...InitBench.shell(script),
  ]
}

async function endOf(run: InitRun): Promise<number> {
  const exited = await run.until(MESSAGE.exited)
  assert.equal(await run.next(), undefined)
  assert.equal(await run.exitOfInit(), 0)
  return exited.step
}

/** What berth-init says, in order. */
function kinds(run: InitRun): number[] {
  return run.messages.map((message) => message.kind)
}

test('the process is berth-init’s child, and its end is told with its wait status', async () => {
  const run = await bench.run(InitBench.shell('echo $PPID; exit 7', [{ op: 'await-start' }]), {}, { keep: true })
  await run.until(MESSAGE.created)
  run.proceed()
  await run.until(MESSAGE.executed)
  assert.equal(await endOf(run), 7 << 8)
  assert.deepEqual(kinds(run), [MESSAGE.cloned, MESSAGE.created, MESSAGE.executed, MESSAGE.exited])
  assert.equal(await run.allOutput(), `${run.child.pid}\n`)
})

test('a process that is killed, or cannot be executed, is told as such', async () => {
  const killed = await bench.run(InitBench.shell('kill -9 $$'), {}, { keep: true })
  assert.equal(await endOf(killed), 9)
  const steps = InitBench.shell('true')
  steps[0] = { op: 'resolve-exec', candidates: ['/nope'] }
  const failed = await bench.run(steps, {}, { keep: true })
  assert.deepEqual(await failed.failure(), [0, ERRNO.ENOENT])
  assert.equal(await endOf(failed), 127 << 8)
  assert.deepEqual(kinds(failed), [MESSAGE.cloned, MESSAGE.failed, MESSAGE.exited])
})

test('signals are passed on, and what the process left behind is reaped', async () => {
  const script =
    'trap "echo term; exit 3" TERM; trap "echo usr1" USR1; (sleep 0.1 & exit) ; echo ready; while :; do sleep 0.02; done'
  const run = await bench.run(InitBench.shell(script), {}, { keep: true })
  await until('it is ready', () => run.output === 'ready\n')
  run.child.kill('SIGUSR1')
  await until('the signal has come', () => run.output.endsWith('usr1\n'))
  await until('the orphan is reaped', () => stateOfChildren(run.child.pid).every((state) => state !== 'Z'))
  run.child.kill('SIGTERM')
  assert.equal(await endOf(run), 3 << 8)
  assert.equal(await run.allOutput(), 'ready\nusr1\nterm\n')
})

function stateOfChildren(pid = 0): string[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean)
  return pids.map((child) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${child}/status`, 'latin1'))?.[1] ?? '')
}

test('in two stages the second is whose end is told and who gets the signals', async () => {
  const steps: Step[] = [
    { op: 'clone', flags: CLONE_NEWUSER | CLONE_NEWPID },
    { op: 'sync', point: SYNC.identity },
    ...InitBench.shell('trap "echo term; exit 4" TERM; echo ready $$; while :; do sleep 0.02; done'),
  ]
  const run = await bench.run(steps, {}, { keep: true })
  await run.until(MESSAGE.cloned)
  await run.until(MESSAGE.cloned)
  await run.until(MESSAGE.sync)
  assert.equal(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${run.pid}/status`, 'latin1'))?.[1], String(run.child.pid))
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${run.pid}/${map}`, '0 0 1')
  run.proceed()
  await until('it is ready', () => run.output === 'ready 1\n')
  run.child.kill('SIGTERM')
  assert.equal(await endOf(run), 4 << 8)
  const killed = await bench.run(steps, {}, { keep: true })
  await killed.until(MESSAGE.sync)
  process.kill(killed.pid, 'SIGKILL')
  assert.equal(await endOf(killed), 9)
})

test('a caller that dies takes its channel with it, not the process', async () => {
  const file = bench.path('went-on')
  const run = await bench.run(InitBench.shell(`sleep 0.1; echo yes >${file}`), {}, { keep: true })
  await run.until(MESSAGE.executed)
  run.hangUp()
  assert.equal(await run.exitOfInit(), 0)
  assert.equal(existsSync(file), true)
})

test('under script(1): what is typed reaches the process, what it writes comes back once', async () => {
  const wrapped = (argv: readonly string[]) => ['script', '-qec', argv.join(' '), '/dev/null']
  const steps = onTerminal('stty -echo; echo ready; read line; echo "got $line"; tty; exit 6')
  const run = await bench.run(steps, { terminal: true }, { keep: true, wrapped, open: true })
  await until('it is ready', () => run.output === 'ready\r\n')
  run.child.stdin?.write('hello\r')
  assert.equal(await endOfWrapped(run), 6 << 8)
  run.child.stdin?.end()
  assert.match(await run.allOutput(), /^ready\r\ngot hello\r\n\/dev\/pts\/\d+\r\n$/)
})

/** script's exit status is not berth-init's errno alone. */
async function endOfWrapped(run: InitRun): Promise<number> {
  return (await run.until(MESSAGE.exited)).step
}

test('a megabyte through the terminal is a megabyte, and the last bytes before the end are there', async () => {
  const run = await bench.run(
    onTerminal('head -c 1000000 /dev/zero | tr "\\0" x; echo; echo end'),
    { terminal: true },
    { keep: true },
  )
  assert.equal(await endOf(run), 0)
  const output = await run.allOutput()
  assert.equal(output.length, 1_000_000 + '\nend\n'.length)
  assert.match(output, /^x+\nend\n$/)
})

test('output that nobody reads any more does not hold the process up', async () => {
  const file = bench.path('went-on')
  const run = await bench.run(
    onTerminal(`head -c 1000000 /dev/zero; echo yes >${file}`),
    { terminal: true },
    { keep: true },
  )
  run.child.stdout?.destroy()
  assert.equal(await endOf(run), 0)
  assert.equal(readFileSync(file, 'utf8'), 'yes\n')
})

test('what the process leaves on its terminal does not keep berth-init', async () => {
  const pid = bench.path('pid')
  const run = await bench.run(
    onTerminal(`trap "" HUP; sleep 1000 & echo $! >${pid}; echo done`),
    { terminal: true },
    { keep: true },
  )
  assert.equal(await endOf(run), 0)
  assert.equal(await run.allOutput(), 'done\n')
  const left = Number(readFileSync(pid, 'utf8'))
  if (isAlive(left)) process.kill(left, 'SIGKILL')
})

// A terminal of a given size, on which berth-init runs; resized when the process is ready. Its modes must be the same before and after.
const TERMINAL_DRIVER = `
import ctypes, fcntl, os, pty, struct, sys, termios, time
def size(fd, rows, columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
pid, master = pty.fork()
if pid == 0:
    size(0, 30, 100)
    os.execv(sys.argv[1], sys.argv[1:])
ptsname = ctypes.CDLL(None).ptsname
ptsname.restype = ctypes.c_char_p
peer = os.open(ptsname(master), os.O_RDWR | os.O_NOCTTY)
before = termios.tcgetattr(peer)
text, raw, end = b'', None, time.time() + 10
while time.time() < end:
    try: text += os.read(master, 4096)
    except OSError: break
    if raw is None and b'ready' in text:
        raw = termios.tcgetattr(peer)
        size(master, 40, 120)
    if b'bye' in text: break
os.waitpid(pid, 0)
print(text.decode().split(), raw[3] & (termios.ICANON | termios.ECHO | termios.ISIG), bool(raw[1] & termios.OPOST), termios.tcgetattr(peer) == before)
`

test('the terminal’s size follows the caller’s, whose modes are raw meanwhile and as before at the end', async () => {
  const script = 'trap "stty size; echo bye; exit" WINCH; stty size; echo ready; while :; do sleep 0.02; done'
  const wrapped = (argv: readonly string[]) => ['python3', '-c', TERMINAL_DRIVER, ...argv]
  const run = await bench.run(onTerminal(script), { terminal: true }, { keep: true, wrapped })
  await run.until(MESSAGE.exited)
  assert.equal(await run.allOutput(), "['30', '100', 'ready', '40', '120', 'bye'] 0 True True\n")
})

const CONSOLE_RECEIVER = `
import array, fcntl, os, socket, sys
listener = socket.socket(socket.AF_UNIX)
os.chdir(os.path.dirname(sys.argv[1]))
listener.bind(os.path.basename(sys.argv[1]))
listener.listen()
print('listening', flush=True)
connection, _ = listener.accept()
data, control, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
master = array.array('i', control[0][2][:4])[0]
blocks = not fcntl.fcntl(master, fcntl.F_GETFL) & os.O_NONBLOCK
rest = connection.recv(1)
text = b''
while True:
    try: part = os.read(master, 4096)
    except OSError: break
    if not part: break
    text += part
print([data, blocks, rest, text], flush=True)
`

test('a console socket gets the master as other runtimes send it, at a path of any length', async () => {
  for (const path of [bench.path('console.sock'), `${bench.rootfs}/tmp/${'long'.repeat(50)}`]) {
    if (path.length > 200) execFileSync('mkdir', ['-p', path])
    const socket = path.length > 200 ? `${path}/s` : path
    const output = bench.path('receiver')
    const receiver = bench.start(['python3', '-c', CONSOLE_RECEIVER, socket], output)
    await until('it listens', () => readFileSync(output, 'utf8').includes('listening'))
    const run = await bench.run([
      { op: 'connect-unix', slot: 9, path: socket },
      ...onTerminal('echo on a terminal; tty >/dev/null && exit 5', 9),
    ])
    assert.equal((await run.end()).status, 5 << 8)
    await receiver
    assert.equal(readFileSync(output, 'utf8'), "listening\n[b'/dev/ptmx', True, b'', b'on a terminal\\r\\n']\n")
  }
})

test('a console socket that nobody listens on, and a file that is no devpts, fail the step', async () => {
  const table: [Step[], [number, number]][] = [
    [[{ op: 'connect-unix', slot: 9, path: bench.path('none') }], [0, ERRNO.ENOENT]],
    [[{ op: 'connect-unix', slot: 9, path: '/etc/passwd' }], [0, 111]],
    [onTerminal('true', 9), [2, ERRNO.EBADF]],
    [
      [
        { op: 'open-host', slot: 6, path: bench.rootfs, flags: O_PATH },
        { op: 'pty', devpts: 6, rows: 0, columns: 0, uid: 0, gid: 0 },
      ],
      [1, ERRNO.ENOENT],
    ],
  ]
  for (const [steps, failure] of table) {
    const run = await bench.run(steps)
    assert.deepEqual(await run.failure(), failure)
    await run.reap()
  }
})
