// `run-hook` and the sync points around it, in berth-init with real processes.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import test from 'node:test'
import { ERRNO } from '../../src/linux/kernel-error.ts'
import { type Step, SYNC } from '../../src/linux/steps.ts'
import { InitBench, type InitRun, MESSAGE } from './init-bench.ts'
import { isAlive, until } from './shim-bench.ts'

const ECANCELED = 125
const ETIMEDOUT = 110
const RUNTIME_HOOKS: Step = { op: 'sync', point: SYNC.runtimeHooks }
const CREATED: Step = { op: 'await-start' }

const bench = new InitBench()
test.after(() => bench.dispose())

function hook(script: string, more: Partial<{ timeoutSeconds: number; env: string[]; path: string }> = {}): Step {
  const { path = '/bin/sh', env = ['PATH=/usr/bin:/bin'], timeoutSeconds = 0 } = more
  return { op: 'run-hook', path, argv: ['hook', '-c', script], env, timeoutSeconds }
}

/** The step, its errno, and what the hook left: wait status, output, complaint. */
async function failedHook(
  run: InitRun,
): Promise<{ step: number; errno: number; status: number; stdout: string; stderr: string }> {
  await run.failure()
  const message = run.messages.at(-1)
  assert.ok(message)
  const report = Buffer.from(message.text, 'latin1')
  const size = report.readUInt32LE(4)
  return {
    step: message.step,
    errno: message.error,
    status: report.readUInt32LE(0),
    stdout: report.toString('utf8', 8, 8 + size),
    stderr: report.toString('utf8', 8 + size),
  }
}

test('hooks run in order, with the state that came with the last word, and before the program', async () => {
  const log = bench.path('log')
  const steps: Step[] = [
    RUNTIME_HOOKS,
    hook(`echo "one $(cat)" >>${log}`),
    hook(`echo "two $(cat)" >>${log}`),
    CREATED,
    hook(`echo "three $(cat)" >>${log}`),
    ...InitBench.shell(`echo program >>${log}`),
  ]
  const run = await bench.run(steps)
  const sync = await run.until(MESSAGE.sync)
  assert.equal(sync.step, SYNC.runtimeHooks)
  assert.equal(existsSync(log), false)
  run.proceed('{"status":"creating"}')
  await run.until(MESSAGE.created)
  run.proceed('{"status":"created"}')
  const { output } = await run.end()
  assert.equal(output, '') // what a hook says is not the program's
  assert.equal(
    readFileSync(log, 'utf8'),
    'one {"status":"creating"}\ntwo {"status":"creating"}\nthree {"status":"created"}\nprogram\n',
  )
})

test('a word without a state keeps the one before', async () => {
  const log = bench.path('log')
  const run = await bench.run([RUNTIME_HOOKS, CREATED, hook(`cat >${log}`), ...InitBench.shell('true')])
  await run.until(MESSAGE.sync)
  run.proceed('kept')
  await run.until(MESSAGE.created)
  run.proceed()
  await run.end()
  assert.equal(readFileSync(log, 'utf8'), 'kept')
})

test('a hook has its arguments, exactly its environment, a usual umask, its streams, and nothing of ours', async () => {
  const log = bench.path('log')
  const secret = openSync('/etc', 'r')
  const script =
    'tr "\\0" "\\n" </proc/$$/cmdline; tr "\\0" "\\n" </proc/$$/environ; for f in /proc/$$/fd/*; do readlink $f >/dev/null && basename $f; done; umask; grep -E "Sig(Blk|Ign)" /proc/$$/status'
  const step: Step = {
    op: 'run-hook',
    path: '/bin/busybox',
    argv: ['sh', '-c', `{ ${script}; } >${log}`, 'extra argument'],
    env: ['A=1', 'B='],
    timeoutSeconds: 0,
  }
  const run = await bench.run([RUNTIME_HOOKS, step, ...InitBench.shell('cat <&3; true')], {}, { preserved: [secret] })
  closeSync(secret)
  await run.until(MESSAGE.sync)
  run.proceed('{}')
  await run.end()
  const lines = readFileSync(log, 'utf8').split('\n')
  assert.deepEqual(lines.slice(0, 2), ['sh', '-c'])
  const text = readFileSync(log, 'utf8')
  assert.match(text, /\nextra argument\nA=1\nB=\n/)
  // 10 is where the shell keeps its own standard output while that is redirected.
  assert.match(text, /\n0\n1\n(10\n)?2\n0022\nSigBlk:\t0{16}\nSigIgn:\t0{15}[04]\n$/)
})

test('a state larger than a pipe reaches a hook that reads it, and does not stop one that does not', async () => {
  const size = 64 << 10
  const log = bench.path('log')
  const run = await bench.run([
    RUNTIME_HOOKS,
    hook(`sleep 0.1; wc -c >${log}`),
    hook('exec 0<&-; sleep 0.05'),
    hook('true'),
    ...InitBench.shell('echo ran'),
  ])
  await run.until(MESSAGE.sync)
  run.proceed('x'.repeat(size))
  assert.equal((await run.end()).output, 'ran\n')
  assert.equal(readFileSync(log, 'utf8').trim(), String(size))
})

test('a hook that fails ends the plan with its status and what it said', async () => {
  const run = await bench.run([
    hook('true'),
    hook('echo said; echo complained >&2; exit 3'),
    ...InitBench.shell('echo never'),
  ])
  assert.deepEqual(await failedHook(run), {
    step: 1,
    errno: ECANCELED,
    status: 3 << 8,
    stdout: 'said\n',
    stderr: 'complained\n',
  })
  await run.reap()
  assert.equal(await run.allOutput(), '')
  const killed = await bench.run([hook('kill -9 $$'), ...InitBench.shell('echo never')])
  assert.deepEqual(await failedHook(killed), { step: 0, errno: ECANCELED, status: 9, stdout: '', stderr: '' })
  await killed.reap()
})

test('of much output the beginning is told, and no hook is held up by it', async () => {
  const run = await bench.run([
    hook('head -c 1000000 /dev/zero | tr "\\0" o; head -c 1000000 /dev/zero | tr "\\0" e >&2; exit 1'),
  ])
  const told = await failedHook(run)
  assert.deepEqual([told.stdout, told.stderr], ['o'.repeat(2048), 'e'.repeat(2048)])
  await run.reap()
})

test('a hook that cannot be executed is the errno of that', async () => {
  for (const [path, errno] of [
    ['/nope', ERRNO.ENOENT],
    ['/etc/passwd', ERRNO.EACCES],
  ] as const) {
    const run = await bench.run([hook('', { path })])
    assert.deepEqual(await run.failure(), [0, errno])
    assert.equal(run.messages.at(-1)?.text, '')
    await run.reap()
  }
})

test('a hook that is late is killed with all that it started', async () => {
  const pids = bench.path('pids')
  const run = await bench.run([
    hook(`sleep 1000 & echo $! >${pids}; echo $$ >>${pids}; echo working; wait`, { timeoutSeconds: 1 }),
  ])
  const told = await failedHook(run)
  assert.deepEqual([told.errno, told.status, told.stdout], [ETIMEDOUT, 9, 'working\n'])
  await run.reap()
  for (const pid of readFileSync(pids, 'utf8').trim().split('\n').map(Number))
    await until('it is dead', () => !isAlive(pid))
})

test('what a hook leaves running holds nobody up, and is not mistaken for the hook', async () => {
  const pid = bench.path('pid')
  const run = await bench.run([
    hook(`sleep 1000 & echo $! >${pid}`, { timeoutSeconds: 60 }),
    ...InitBench.shell('echo ran'),
  ])
  assert.equal((await run.end()).output, 'ran\n')
  const left = Number(readFileSync(pid, 'utf8'))
  assert.equal(isAlive(left), true)
  process.kill(left, 'SIGKILL')
})

test('a hook dies with the process that runs it', async () => {
  const pid = bench.path('pid')
  const run = await bench.run([hook(`echo $$ >${pid}; exec sleep 1000`)])
  await run.until(MESSAGE.cloned)
  await until('the hook runs', () => existsSync(pid) && readFileSync(pid, 'utf8').endsWith('\n'))
  run.signal(9)
  await run.reap()
  await until('the hook is dead', () => !isAlive(Number(readFileSync(pid, 'utf8'))))
})

test('by FIFO: a startContainer hook’s failure is told to the starter with what it said', async () => {
  const [fifo, status] = [bench.path('fifo'), bench.path('status')]
  execFileSync('mkfifo', [fifo, status])
  const log = bench.path('log')
  const run = await bench.run([
    { op: 'open-host', slot: 1, path: fifo, flags: constants.O_RDWR },
    { op: 'open-host', slot: 2, path: status, flags: constants.O_RDWR },
    { op: 'await-fifo', fifo: 1, status: 2 },
    hook(`cat >${log}; echo no; exit 1`),
    ...InitBench.shell('echo never'),
  ])
  await run.until(MESSAGE.created)
  const told = openSync(status, constants.O_RDONLY | constants.O_NONBLOCK)
  const word = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK)
  writeSync(word, 's{"status":"created"}\0')
  closeSync(word)
  await run.reap() // what it told stays in the FIFO while this end is open
  const bytes = readFileSync(told)
  closeSync(told)
  assert.deepEqual([bytes.readUInt32LE(0), bytes.readUInt32LE(4)], [3, ECANCELED])
  assert.deepEqual([bytes.readUInt32LE(8), bytes.toString('utf8', 16)], [1 << 8, 'no\n'])
  assert.equal(readFileSync(log, 'utf8'), '{"status":"created"}')
})
