// Steps on how the kernel runs and watches the process: schedules, priorities, memory, personality, filters with a listener.
import assert from 'node:assert/strict'
import { closeSync, readlinkSync } from 'node:fs'
import test from 'node:test'
import { ERRNO } from '../../src/linux/kernel-error.ts'
import { checked, libcFunction, libcIntFunction } from '../../src/linux/libc.ts'
import { type Step, SYNC } from '../../src/linux/steps.ts'
import { InitBench, MESSAGE } from './init-bench.ts'

const SCHED_BATCH = 3
const SCHED_FIFO = 1
const SCHED_DEADLINE = 6
const IOPRIO_CLASS_BE = 2
const MPOL_BIND = 2
const MPOL_F_STATIC_NODES = 1 << 15
const ADDR_NO_RANDOMIZE = 0x40000
const PER_LINUX32 = 8
const NEW_LISTENER = 8

const bench = new InitBench()
test.after(() => bench.dispose())

async function outputOf(step: Step, script: string): Promise<string> {
  const run = await bench.run([step, ...InitBench.shell(script)])
  return (await run.end()).output
}

async function errnoOf(step: Step): Promise<number> {
  const run = await bench.run([step])
  const [index, errno] = await run.failure()
  assert.equal(index, 0)
  await run.reap()
  return errno
}

function schedule(changes: Partial<Extract<Step, { op: 'scheduler' }>>): Step {
  return {
    op: 'scheduler',
    policy: 0,
    flags: 0n,
    nice: 0,
    priority: 0,
    runtime: 0n,
    deadline: 0n,
    period: 0n,
    ...changes,
  }
}

test('policy and nice value, real-time priority, deadlines', async () => {
  const batch = await outputOf(schedule({ policy: SCHED_BATCH, nice: 7 }), 'chrt -p $$; nice')
  assert.match(batch, /SCHED_BATCH\n(.*\n)*7\n$/)
  const fifo = await outputOf(schedule({ policy: SCHED_FIFO, priority: 9 }), 'chrt -p $$')
  assert.match(fifo, /SCHED_FIFO\n.*priority: 9\n/)
  assert.equal(
    await errnoOf(schedule({ policy: SCHED_DEADLINE, runtime: 20n, deadline: 10n, period: 10n })),
    ERRNO.EINVAL,
  )
  assert.equal(await errnoOf(schedule({ policy: 77 })), ERRNO.EINVAL)
})

test('input and output priority', async () => {
  assert.equal(
    await outputOf({ op: 'io-priority', value: (IOPRIO_CLASS_BE << 13) | 6 }, 'ionice -p $$'),
    'best-effort: prio 6\n',
  )
  assert.equal(await errnoOf({ op: 'io-priority', value: 7 << 13 }), ERRNO.EINVAL)
})

test('processors', async () => {
  const script = 'grep Cpus_allowed_list /proc/self/status'
  assert.equal(await outputOf({ op: 'cpu-affinity', mask: Uint8Array.of(1) }, script), 'Cpus_allowed_list:\t0\n')
  // A mask longer than the machine has processors, and of an odd length.
  assert.equal(
    await outputOf({ op: 'cpu-affinity', mask: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 128) }, script),
    'Cpus_allowed_list:\t0\n',
  )
  assert.equal(await errnoOf({ op: 'cpu-affinity', mask: Uint8Array.of(0) }), ERRNO.EINVAL)
  assert.equal(await errnoOf({ op: 'cpu-affinity', mask: new Uint8Array(1025).fill(1) }), ERRNO.EINVAL)
})

test('memory policy', async () => {
  const script = 'grep -m1 heap /proc/self/numa_maps'
  assert.match(
    await outputOf({ op: 'memory-policy', mode: MPOL_BIND | MPOL_F_STATIC_NODES, nodes: Uint8Array.of(1) }, script),
    / bind=static:0 /,
  )
  assert.match(await outputOf({ op: 'memory-policy', mode: 0, nodes: new Uint8Array() }, script), / default /)
  assert.equal(await errnoOf({ op: 'memory-policy', mode: MPOL_BIND, nodes: new Uint8Array() }), ERRNO.EINVAL)
  assert.equal(await errnoOf({ op: 'memory-policy', mode: MPOL_BIND, nodes: Uint8Array.of(0, 1) }), ERRNO.EINVAL)
})

test('personality', async () => {
  const script = 'cat /proc/self/personality; uname -m'
  const machine = process.arch === 'x64' ? 'i686' : 'armv8l'
  assert.equal(
    await outputOf({ op: 'personality', persona: PER_LINUX32 | ADDR_NO_RANDOMIZE }, script),
    `00040008\n${machine}\n`,
  )
})

// ---- a filter that asks

const BPF_LOAD_WORD = 0x20
const BPF_JUMP_EQUAL = 0x15
const BPF_RETURN = 0x06
const RET_ALLOW = 0x7fff0000
const RET_ERRNO = 0x00050000
const RET_NOTIFY = 0x7fc00000
const NOTIF_RECV = 0xc0502100
const NOTIF_SEND = 0xc0182101
const NOTIF_SIZE = 80
const SYS_PIDFD_OPEN = 434
const SYS_PIDFD_GETFD = 438
const NUMBER =
  process.arch === 'x64'
    ? { sendmsg: 46, writev: 20, mkdirat: 258, mkdir: 83 }
    : { sendmsg: 211, writev: 66, mkdirat: 34, mkdir: -1 }

const pidfdOpen = libcFunction('syscall', 'long', 'int', 'uint')
const pidfdGetfd = libcFunction('syscall', 'long', 'int', 'int', 'uint')
const ioctl = libcIntFunction('ioctl', 'int', 'ulong', 'ptr')
const poll = libcIntFunction('poll', 'ptr', 'ulong', 'int')

/** Allows everything but what is named: an errno, or a question to the listener. */
function filter(table: readonly [number, number][]): Uint8Array {
  const program = Buffer.alloc(8 * (2 + 2 * table.length))
  let at = 0
  const put = (code: number, jumpTrue: number, jumpFalse: number, value: number) => {
    program.writeUInt16LE(code, at)
    program.writeUInt8(jumpTrue, at + 2)
    program.writeUInt8(jumpFalse, at + 3)
    program.writeUInt32LE(value >>> 0, at + 4)
    at += 8
  }
  put(BPF_LOAD_WORD, 0, 0, 0)
  for (const [number, result] of table) {
    put(BPF_JUMP_EQUAL, 0, 1, number)
    put(BPF_RETURN, 0, 0, result)
  }
  put(BPF_RETURN, 0, 0, RET_ALLOW)
  return program
}

test('a filter with a listener: fetched at the sync point though messages are forbidden, and answering', async () => {
  const program = filter([
    [NUMBER.sendmsg, RET_ERRNO | 1],
    [NUMBER.mkdir, RET_NOTIFY],
    [NUMBER.mkdirat, RET_NOTIFY],
  ])
  const steps: Step[] = [
    { op: 'prctl', option: 38, arg2: 1n }, // PR_SET_NO_NEW_PRIVS
    { op: 'seccomp', flags: NEW_LISTENER, program },
    ...InitBench.shell('mkdir /tmp/never-made; ls /proc/$$/fd', [{ op: 'await-start' }]),
  ]
  const run = await bench.run(steps)
  const sync = await run.until(MESSAGE.sync)
  assert.equal(sync.step, SYNC.seccomp)
  const pidfd = checked(pidfdOpen(SYS_PIDFD_OPEN, run.pid, 0), 'pidfd_open', String(run.pid))
  const listener = checked(pidfdGetfd(SYS_PIDFD_GETFD, pidfd, sync.error, 0), 'pidfd_getfd', String(sync.error))
  closeSync(pidfd)
  assert.equal(readlinkSync(`/proc/self/fd/${listener}`), 'anon_inode:seccomp notify')
  run.proceed()
  await run.until(MESSAGE.created)
  // The process itself has let go of it: were the listener's holder to die, its calls fail rather than wait.
  assert.equal(countListeners(run.pid), 0)
  run.proceed()
  answer(listener, ERRNO.EROFS)
  const { output } = await run.end()
  assert.match(output, /can't create directory '\/tmp\/never-made': Read-only file system\n/)
  closeSync(listener)
})

function countListeners(pid: number): number {
  const names = Array.from({ length: 32 }, (_, fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return ''
    }
  })
  assert.ok(names.some((name) => name.startsWith('socket:')))
  return names.filter((name) => name.includes('seccomp')).length
}

/** Answers the next question with an errno. */
function answer(listener: number, errno: number): void {
  const event = Buffer.alloc(8)
  event.writeInt32LE(listener, 0)
  event.writeInt16LE(1, 4)
  assert.equal(poll(event, 1, 10_000), 1)
  const question = Buffer.alloc(NOTIF_SIZE)
  checked(ioctl(listener, NOTIF_RECV, question), 'ioctl', 'SECCOMP_IOCTL_NOTIF_RECV')
  const reply = Buffer.alloc(24)
  question.copy(reply, 0, 0, 8)
  reply.writeInt32LE(-errno, 16)
  checked(ioctl(listener, NOTIF_SEND, reply), 'ioctl', 'SECCOMP_IOCTL_NOTIF_SEND')
}

test('a filter without a listener does not stop, and one that the kernel refuses is a failed step', async () => {
  const steps: Step[] = [
    { op: 'prctl', option: 38, arg2: 1n },
    {
      op: 'seccomp',
      flags: 0,
      program: filter([
        [NUMBER.mkdir, RET_ERRNO | 30],
        [NUMBER.mkdirat, RET_ERRNO | 30],
      ]),
    },
    ...InitBench.shell('mkdir /tmp/never-made'),
  ]
  assert.match((await (await bench.run(steps)).end()).output, /Read-only/)
  const wrong = await bench.run([
    { op: 'prctl', option: 38, arg2: 1n },
    { op: 'seccomp', flags: 0, program: Uint8Array.from([6, 0, 1, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5, 5, 5, 5]) },
  ])
  assert.deepEqual(await wrong.failure(), [1, ERRNO.EINVAL])
  await wrong.reap()
})

test('hooks run under a filter that knows neither clone3 nor close_range, and see nothing of ours', async () => {
  const unknown: [number, number][] = [435, 436].map((number) => [number, RET_ERRNO | ERRNO.ENOSYS])
  const steps: Step[] = [
    { op: 'prctl', option: 38, arg2: 1n },
    { op: 'seccomp', flags: 0, program: filter(unknown) },
    {
      op: 'run-hook',
      path: '/bin/busybox',
      argv: ['sh', '-c', 'for f in /proc/$$/fd/*; do readlink $f >/dev/null && basename $f; done; exit 1'],
      env: [],
      timeoutSeconds: 0,
    },
  ]
  const fd = checked(libcIntFunction('dup', 'int')(2), 'dup', '2')
  const run = await bench.run(steps, {}, { preserved: [fd] })
  closeSync(fd)
  assert.deepEqual(await run.failure(), [2, 125])
  assert.equal(run.messages.at(-1)?.text.slice(8), '0\n1\n2\n')
  await run.reap()
})
