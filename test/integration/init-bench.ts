// Drives berth-init as an OCI runtime's caller does: a plan in a file, a channel of messages, the process as our own child.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, read, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checked, libcIntFunction } from '../../src/linux/libc.ts'
import type { ProcessPlan, Step } from '../../src/linux/steps.ts'
import { encodeExecPlan } from '../../src/shim/encode-plan.ts'
import { BIN } from '../harness/root.ts'
import { within } from './shim-bench.ts'

export const INIT_PROGRAM = process.env['BERTH_INIT'] ?? join(BIN, 'berth-init')
const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const SOCK_CLOEXEC = 0o2000000
const SIGKILL = 9

export const MESSAGE = { created: 1, failed: 2, cloned: 4, sync: 5, exited: 6, executed: 7 } as const

const socketpair = libcIntFunction('socketpair', 'int', 'int', 'int', 'ptr')
const waitpid = libcIntFunction('waitpid', 'int', 'ptr', 'int')
const kill = libcIntFunction('kill', 'int', 'int')
const readAsync = promisify(read)

export interface Message {
  kind: number
  step: number
  error: number
  text: string
}

export interface InitOptions {
  /** Descriptors that the process gets from 3 on. */
  preserved?: readonly number[]
  pidfd?: number
  keep?: boolean
  /** Written into the plan file instead of an encoded plan. */
  bytes?: Uint8Array
  /** Standard input of the process; nothing by default. */
  stdin?: string
  /** Standard input is a pipe that the test writes to. */
  open?: boolean
  /** A program in front of berth-init and its arguments. */
  wrapped?: (argv: readonly string[]) => readonly string[]
}

/** One run of berth-init. */
export class InitRun {
  readonly child: ChildProcess
  /** What was written to standard output and error so far. */
  output = ''
  readonly messages: Message[] = []
  /** The process; with a second stage, that. */
  pid = 0
  /** All that we have for a child and have not reaped. */
  private readonly pids = new Set<number>()
  private readonly channel: number
  private readonly ended: Promise<unknown[]>
  private readonly closed: Promise<unknown[]>

  constructor(child: ChildProcess, channel: number) {
    this.child = child
    this.channel = channel
    this.ended = once(child, 'exit')
    this.closed = once(child, 'close')
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
  }

  /** The next message; undefined at the end of the channel. */
  async next(): Promise<Message | undefined> {
    const buffer = Buffer.alloc(64 << 10)
    const { bytesRead } = await within('a message', readAsync(this.channel, buffer, 0, buffer.length, null))
    if (bytesRead === 0) return undefined
    const message = {
      kind: buffer.readUInt32LE(0),
      step: buffer.readUInt32LE(4),
      error: buffer.readUInt32LE(8),
      text: buffer.toString('latin1', 12, bytesRead),
    }
    if (message.kind === MESSAGE.cloned) {
      this.pid = message.step
      this.pids.add(this.pid)
    }
    this.messages.push(message)
    return message
  }

  /** Reads until a message of that kind; throws at the end of the channel. */
  async until(kind: number): Promise<Message> {
    for (;;) {
      const message = await this.next()
      if (!message) throw new Error(`no message ${kind} in ${JSON.stringify(this.messages)}: ${this.output}`)
      if (message.kind === kind) return message
      if (message.kind === MESSAGE.failed) throw new Error(`step ${message.step} failed with ${message.error}`)
    }
  }

  /** The step and errno of the failure that is told. */
  async failure(): Promise<[step: number, errno: number]> {
    for (;;) {
      const message = await this.next()
      if (!message) throw new Error(`no failure in ${JSON.stringify(this.messages)}`)
      if (message.kind === MESSAGE.failed) return [message.step, message.error]
    }
  }

  /** The letter and the state for hooks. */
  proceed(state = ''): void {
    writeSync(this.channel, `s${state}`)
  }

  /** Everything said until the channel closes, that is until execve or the end. */
  async drain(): Promise<Message[]> {
    let message = await this.next()
    while (message) message = await this.next()
    return this.messages
  }

  say(word: string): void {
    writeSync(this.channel, word)
  }

  hangUp(): void {
    closeSync(this.channel)
  }

  /** berth-init's own exit status. */
  async exitOfInit(): Promise<number> {
    const [code] = await within('end of berth-init', this.ended)
    return typeof code === 'number' ? code : -1
  }

  /** Reaps the process, which is our child; its wait status. */
  async reap(pid = this.pid): Promise<number> {
    const status = new Int32Array(1)
    const end = Date.now() + 10_000
    while (checked(waitpid(pid, status, 1), 'waitpid', String(pid)) === 0) {
      if (Date.now() > end) throw new Error(`process ${pid} does not end`)
      await new Promise((done) => setTimeout(done, 2))
    }
    this.pids.delete(pid)
    return status[0] ?? -1
  }

  /** Waits until nothing is left; throws where the plan failed. */
  async end(): Promise<{ status: number; output: string }> {
    for (const message of await this.drain())
      if (message.kind === MESSAGE.failed)
        throw new Error(`step ${message.step} failed with ${message.error}: ${message.text}`)
    let status = 0
    for (const pid of [...this.pids]) status = await this.reap(pid)
    return { status, output: await this.allOutput() }
  }

  /** The standard streams' end, and everything written. */
  async allOutput(): Promise<string> {
    await within('end of output', this.closed)
    return this.output
  }

  signal(number: number): void {
    checked(kill(this.pid, number), 'kill', String(this.pid))
  }

  dispose(): void {
    for (const pid of this.pids) if (kill(pid, SIGKILL) === 0) waitpid(pid, new Int32Array(1), 0)
    this.child.kill('SIGKILL')
    this.child.stdout?.destroy()
    this.child.stderr?.destroy()
  }
}

/** A directory with a busybox root file system; disposing it kills what still runs. */
export class InitBench {
  readonly directory = mkdtempSync(join(tmpdir(), 'berth-init-'))
  readonly rootfs = join(this.directory, 'rootfs')
  private readonly runs: InitRun[] = []
  private readonly others: ChildProcess[] = []
  private count = 0

  constructor() {
    for (const name of ['bin', 'proc', 'dev', 'tmp', 'mnt', 'root'])
      mkdirSync(join(this.rootfs, name), { recursive: true })
    cpSync('/bin/busybox', join(this.rootfs, 'bin/busybox'), { dereference: true })
  }

  /** A path in the bench that nobody else uses. */
  path(name: string): string {
    return join(this.directory, `${name}-${++this.count}`)
  }

  async run(steps: readonly Step[], plan: Partial<ProcessPlan> = {}, options: InitOptions = {}): Promise<InitRun> {
    const whole = {
      cloneFlags: 0,
      joinInitPidNamespace: false,
      cgroupDirectory: undefined,
      terminal: false,
      stdin: true,
    }
    const path = this.path('plan')
    writeFileSync(path, options.bytes ?? encodeExecPlan({ ...whole, ...plan, steps }))
    const pair = new Int32Array(2)
    checked(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 'socketpair', 'channel')
    const [ours = -1, theirs = -1] = pair
    const planFd = openSync(path, 'r')
    const preserved = options.preserved ?? []
    const first = 3 + preserved.length
    const pidfd = options.pidfd === undefined ? -1 : first + 2
    const argv = [INIT_PROGRAM, String(first), String(first + 1), String(pidfd), String(preserved.length)]
    if (options.keep === true) argv.push('keep')
    const [program = '', ...rest] = options.wrapped?.(argv) ?? argv
    const passed = [...preserved, planFd, theirs, ...(options.pidfd === undefined ? [] : [options.pidfd])]
    const child = spawn(program, rest, {
      stdio: [options.stdin === undefined && options.open !== true ? 'ignore' : 'pipe', 'pipe', 'pipe', ...passed],
    })
    closeSync(theirs)
    closeSync(planFd)
    if (options.stdin !== undefined) child.stdin?.end(options.stdin)
    const run = new InitRun(child, ours)
    this.runs.push(run)
    return run
  }

  /** Another program that writes into a file; the end is awaited by who gets the promise. */
  start(argv: readonly string[], output: string): Promise<unknown> {
    const [program = '', ...rest] = argv
    const fd = openSync(output, 'w')
    const child = spawn(program, rest, { stdio: ['ignore', fd, 'inherit'] })
    closeSync(fd)
    this.others.push(child)
    return within(program, once(child, 'exit'))
  }

  /** `sh -c script` of the host's busybox, to be the end of a plan. */
  static shell(script: string, await_: readonly Step[] = []): Step[] {
    return [
      { op: 'resolve-exec', candidates: ['/bin/busybox'] },
      { op: 'close-fds' },
      ...await_,
      { op: 'exec', argv: ['sh', '-c', script], env: ['PATH=/bin:/usr/bin:/sbin:/usr/sbin', 'HOME=/'] },
    ]
  }

  dispose(): void {
    for (const run of this.runs) run.dispose()
    for (const child of this.others) child.kill('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }
}
