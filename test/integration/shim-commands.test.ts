// berth-shim and processes that other OCI runtimes make: crun's and runc's containers with our streams, exit codes and records.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { readExitRecord } from '../../src/shim/read-exit-record.ts'
import { type CommandPlan, type ProcessSource, type Shim, type ShimSettings, StepFailure } from '../../src/shim/shim.ts'
import { connectStream } from '../../src/shim/stream.ts'
import { Bench, exitOf, isAlive, readAll, readLog, unframe, until } from './shim-bench.ts'

const UNIFIED = '/sys/fs/cgroup/unified'
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
const SIGKILL = 9
const ERRNO = { ENOENT: 2, ESRCH: 3, ECHILD: 10, EACCES: 13, EINVAL: 22, EPROTO: 71, EAGAIN: 11 }
const BOTH_WAYS = { stdin: true, stdout: true, stderr: true }

const bench = new Bench()
let containers = 0
test.after(async () => bench[Symbol.asyncDispose]())

function sh(script: string): string[] {
  return ['/bin/busybox', 'sh', '-c', script]
}

/** crun refuses hosts with a unified hierarchy beside the others: it sees none. */
function invocation(runtime: string, ...args: string[]): string[] {
  const plain = [runtime, ...args]
  if (runtime !== 'crun' || !existsSync(UNIFIED)) return ['/usr/bin/env', ...plain]
  const script = `umount ${UNIFIED}; exec "$@"`
  return ['/usr/bin/unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...plain]
}

/** A container of a foreign runtime's in a bundle of our own. */
class Foreign {
  readonly settings: ShimSettings
  readonly id = `berth-shim-${process.pid}-${++containers}`
  private readonly runtime: string
  private readonly terminal: boolean

  constructor(runtime: string, args: string[], options: { terminal?: boolean } = {}) {
    this.runtime = runtime
    this.settings = bench.settings()
    this.terminal = options.terminal ?? false
    const config = {
      ociVersion: '1.0.2',
      root: { path: bench.rootfs },
      process: { terminal: this.terminal, user: { uid: 0, gid: 0 }, args, env: ['PATH=/bin'], cwd: '/' },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
      ],
      linux: {
        cgroupsPath: `/${this.id}`,
        namespaces: ['pid', 'mount', 'ipc', 'uts'].map((type) => ({ type })),
      },
    }
    writeFileSync(join(this.settings.bundle, 'config.json'), JSON.stringify(config))
    test.after(() => this.call('delete', '--force', this.id))
  }

  call(...args: string[]): string {
    const [program = '', ...rest] = invocation(this.runtime, '--root', join(bench.directory, 'state'), ...args)
    return execFileSync(program, rest, { encoding: 'utf8', env: { PATH } })
  }

  create(): ProcessSource {
    return this.command('create', { bundle: this.settings.bundle }, [this.id])
  }

  exec(argv: string[], options: { terminal?: boolean; stdin?: boolean } = {}): ProcessSource {
    return this.command('exec', {}, ['--detach', this.id, ...argv], { ...options, startsAtOnce: true })
  }

  async start(shim: Shim): Promise<void> {
    this.call('start', this.id)
    await shim.started('init')
  }

  private command(
    verb: string,
    flags: Record<string, string>,
    rest: string[],
    changes: Partial<CommandPlan> = {},
  ): ProcessSource {
    const { bundle } = this.settings
    const terminal = changes.terminal ?? (verb === 'create' && this.terminal)
    const pidFile = join(bundle, `pid-${verb}`)
    const console = terminal ? ['--console-socket', join(bundle, 'console'), ...(verb === 'exec' ? ['--tty'] : [])] : []
    const named = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
    const global = ['--root', join(bench.directory, 'state'), verb]
    const argv = invocation(this.runtime, ...global, '--pid-file', pidFile, ...console, ...named, ...rest)
    const plan = { argv, env: [`PATH=${PATH}`], cwd: bundle, pidFile, stdin: false, consoleSocket: 'console' }
    return { command: { ...plan, startsAtOnce: false, ...changes, terminal } }
  }
}

/** A command that is a shell script. */
function script(settings: ShimSettings, text: string, changes: Partial<CommandPlan> = {}): ProcessSource {
  const pidFile = join(settings.bundle, 'pid')
  const plan = { argv: ['/bin/sh', '-c', text, 'sh', pidFile], env: [`PATH=${PATH}`], cwd: settings.bundle, pidFile }
  return {
    command: { ...plan, terminal: false, stdin: false, consoleSocket: 'console', startsAtOnce: false, ...changes },
  }
}

function logText(settings: ShimSettings): string {
  return readLog(settings.log?.path ?? '')
    .map((entry) => entry.log)
    .join('')
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

for (const runtime of ['crun', 'runc']) {
  test(`${runtime}: a container of its making is our process: created, started, its output and exit`, async () => {
    const container = new Foreign(runtime, sh('echo out; echo err >&2; exit 7'))
    const { settings } = container
    const shim = await bench.spawn(settings, container.create())
    const created = shim.processes.get('init')
    assert.equal(created?.state, 'created')
    assert.equal(parentOf(created?.pid ?? 0), shim.shimPid)
    assert.equal(JSON.parse(container.call('state', container.id)).pid, created?.pid)
    assert.equal(logText(settings), '')
    await assert.rejects(shim.start('init'), new StepFailure(undefined, ERRNO.EINVAL))
    await container.start(shim)
    const exit = await exitOf(shim, 'init')
    assert.equal(exit.code, 7)
    assert.deepEqual(await readExitRecord(settings.bundle, 'init'), exit)
    assert.equal([...logText(settings).matchAll(/out\n|err\n/g)].length, 2)
    await shim.started('init') // later than its end: nothing is wrong
  })

  test(`${runtime}: input, attach, signals`, async () => {
    const container = new Foreign(runtime, sh('cat; exec sleep 1000'))
    const source = container.create()
    assert.ok('command' in source)
    const shim = await bench.spawn(container.settings, { command: { ...source.command, stdin: true } })
    const { socket } = await connectStream(container.settings.streamSocketPath ?? '', 'init', BOTH_WAYS)
    await container.start(shim)
    assert.equal(shim.processes.get('init')?.state, 'running')
    socket.end('typed\n')
    await until('what was typed', () => logText(container.settings) === 'typed\n')
    await shim.kill('init', SIGKILL)
    assert.equal((await exitOf(shim, 'init')).code, 128 + SIGKILL)
    assert.equal(unframe(await readAll(socket)).stdout, 'typed\n')
  })

  test(`${runtime}: a terminal comes through the console socket`, async () => {
    const container = new Foreign(runtime, sh('tty; read line; stty size; echo "got $line"; exit 3'), {
      terminal: true,
    })
    const shim = await bench.spawn(container.settings, container.create())
    assert.equal(existsSync(join(container.settings.bundle, 'console')), false)
    const { socket, framed } = await connectStream(container.settings.streamSocketPath ?? '', 'init', BOTH_WAYS)
    assert.equal(framed, false)
    await shim.resize('init', { rows: 40, columns: 100 })
    await container.start(shim)
    socket.write('hello\n')
    const text = (await readAll(socket)).toString()
    assert.equal(text.replace('hello\r\n', ''), '/dev/pts/0\r\n40 100\r\ngot hello\r\n')
    assert.equal((await exitOf(shim, 'init')).code, 3)
  })

  test(`${runtime}: execs that start at once, with streams and a terminal of their own, however soon they end`, async () => {
    const container = new Foreign(runtime, sh('exec sleep 1000'))
    const shim = await bench.spawn(container.settings, container.create())
    await container.start(shim)
    const file = join(container.settings.bundle, 'exec-out')
    for (const code of [0, 1, 2, 3, 4]) {
      const name = `quick-${code}`
      const streams = { stdin: '', stdout: file, stderr: file }
      const { pid } = await shim.add(name, container.exec(sh(`echo ${code}; exit ${code}`)), { streams })
      assert.ok(pid > 1)
      assert.equal((await exitOf(shim, name)).code, code)
      await shim.remove(name)
    }
    assert.equal(readFileSync(file, 'utf8'), '0\n1\n2\n3\n4\n')
    await shim.add('typed', container.exec(sh('tty; read line; echo "got $line"; exit 9'), { terminal: true }))
    const { socket } = await connectStream(container.settings.streamSocketPath ?? '', 'typed', BOTH_WAYS)
    socket.write('hello\n')
    assert.match((await readAll(socket)).toString(), /got hello\r\n$/)
    assert.equal((await exitOf(shim, 'typed')).code, 9)
    await shim.add('killed', container.exec(sh('exec sleep 1000')))
    await shim.kill('killed', SIGKILL)
    assert.equal((await exitOf(shim, 'killed')).code, 128 + SIGKILL)
    await assert.rejects(shim.add('nope', container.exec(['/bin/nope'])), new StepFailure(undefined, ERRNO.ECHILD))
    assert.equal(shim.processes.get('init')?.state, 'running')
  })
}

test('a command that fails is told, and leaves no shim', async () => {
  const container = new Foreign('runc', ['/bin/nope'])
  await assert.rejects(bench.spawn(container.settings, container.create()), new StepFailure(undefined, ERRNO.ECHILD))
  assert.equal(existsSync(join(container.settings.bundle, 'shim.sock')), false)
})

test('a command that cannot be run says why', async () => {
  const table: [Partial<CommandPlan>, number][] = [
    [{ argv: ['/nowhere/runtime'] }, ERRNO.ENOENT],
    [{ argv: ['/etc/passwd'] }, ERRNO.EACCES],
    [{ cwd: '/nowhere' }, ERRNO.ENOENT],
    [{ argv: [] }, ERRNO.EPROTO],
    [{ pidFile: 'relative' }, ERRNO.EINVAL],
    [{ terminal: true, consoleSocket: '../console' }, ERRNO.EINVAL],
    [{ terminal: true, consoleSocket: '' }, ERRNO.EINVAL],
  ]
  for (const [changes, errno] of table) {
    const settings = bench.settings()
    const spawned = bench.spawn(settings, script(settings, 'true', changes))
    await assert.rejects(spawned, new StepFailure(undefined, errno), JSON.stringify(changes))
    assert.deepEqual(
      readdirSync(settings.bundle).filter((name) => /sock|pid|console/.test(name)),
      [],
    )
  }
})

test('a pid file that names nobody of ours is believed in nothing', async () => {
  const table: [string, number][] = [
    ['true', ERRNO.ENOENT], // writes none
    ['echo 1 >"$1"', ERRNO.EINVAL],
    ['echo -5 >"$1"', ERRNO.EINVAL],
    ['echo 12x >"$1"', ERRNO.EINVAL],
    ['echo 99999999999999 >"$1"', ERRNO.EINVAL],
    [': >"$1"', ERRNO.EINVAL],
    [`echo ${process.pid} >"$1"`, ERRNO.ESRCH],
    ['mkfifo "$1"', ERRNO.EINVAL],
  ]
  for (const [text, errno] of table) {
    const settings = bench.settings()
    await assert.rejects(bench.spawn(settings, script(settings, text)), new StepFailure(undefined, errno), text)
  }
  assert.ok(isAlive(process.pid))
})

test('a pid file of an earlier process is not taken for a new one', async () => {
  const settings = bench.settings()
  const first = script(settings, 'sleep 1000 & echo $! >"$1"', { startsAtOnce: true })
  const shim = await bench.spawn(settings, first)
  assert.equal(shim.processes.get('init')?.state, 'running')
  await assert.rejects(shim.add('next', script(settings, 'true')), new StepFailure(undefined, ERRNO.ENOENT))
})

test('a terminal whose master never comes is no process, and what was made is killed', async () => {
  const settings = bench.settings()
  const pids = join(settings.bundle, 'made')
  const text = 'sleep 1000 & echo $! >"$1"; echo $! >made'
  const spawned = bench.spawn(settings, script(settings, text, { terminal: true }))
  await assert.rejects(spawned, new StepFailure(undefined, ERRNO.EAGAIN))
  await until('its end', () => !isAlive(Number(readFileSync(pids, 'utf8'))))
})

test('a command dies with its shim', async () => {
  const settings = bench.settings()
  const mark = join(settings.bundle, 'mark')
  void bench
    .spawn(settings, script(settings, 'echo $$ >mark.draft; mv mark.draft mark; exec sleep 1000'))
    .catch(() => undefined)
  await until('the command', () => existsSync(mark))
  const pid = Number(readFileSync(mark, 'utf8'))
  process.kill(parentOf(pid), 'SIGKILL')
  await until('its end', () => !isAlive(pid))
})
