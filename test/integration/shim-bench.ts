// What the shim's tests need: a busybox root file system, plans written by hand, and waiting with a bound.
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ProcessPlan, Step } from '../../src/linux/steps.ts'
import type { ProcessOptions, ProcessSource, Shim, ShimSettings } from '../../src/shim/shim.ts'
import { spawnShimWith } from '../../src/shim/spawn-shim.ts'

export const SHIM_PROGRAM = process.env['BERTH_SHIM'] ?? resolve('build/bin/berth-shim')
const CLONE_NEWNS = 0x20000
const CLONE_NEWUTS = 0x4000000
const CLONE_NEWIPC = 0x8000000
const CLONE_NEWPID = 0x20000000
const MS_REC_PRIVATE = 0x4000 | 0x40000
const O_PATH = 0o10000000
const ROOT = 1
const WAIT_MS = 10_000

/** A directory with a root file system and room for bundles; disposing it kills what still lives in it. */
export class Bench implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'berth-shim-'))
  readonly rootfs = join(this.directory, 'rootfs')
  private readonly shims: Shim[] = []
  private count = 0

  constructor() {
    for (const name of ['bin', 'proc', 'dev', 'tmp']) mkdirSync(join(this.rootfs, name), { recursive: true })
    cpSync('/bin/busybox', join(this.rootfs, 'bin/busybox'), { dereference: true })
  }

  settings(changes: Partial<ShimSettings> = {}): ShimSettings {
    const bundle = join(this.directory, `bundle-${++this.count}`)
    mkdirSync(join(bundle, 'rootfs'), { recursive: true })
    return {
      bundle,
      label: `test/${this.count}`,
      streamSocketPath: join(bundle, 'streams'),
      log: { driver: 'json-file', path: join(bundle, 'log'), maxSizeBytes: 0, maxFiles: 1 },
      stdinOnce: true,
      spillMaxBytes: 64 << 20,
      stallSeconds: 5,
      lingerSeconds: 30,
      ...changes,
    }
  }

  async spawn(
    settings: ShimSettings,
    source: ProcessPlan | ProcessSource,
    options: ProcessOptions = {},
  ): Promise<Shim> {
    const shim = await spawnShimWith(SHIM_PROGRAM)(settings, source, undefined, options)
    this.shims.push(shim)
    return shim
  }

  /** To be shut down with the rest. */
  keep(shim: Shim): Shim {
    this.shims.push(shim)
    return shim
  }

  /** The container's first process: `argv` by busybox in namespaces of its own. */
  plan(
    settings: ShimSettings,
    argv: readonly string[],
    options: { terminal?: boolean; stdin?: boolean } = {},
  ): ProcessPlan {
    const terminal = options.terminal ?? false
    const steps: Step[] = [
      { op: 'propagation', path: '/', flags: MS_REC_PRIVATE },
      { op: 'open-tree', slot: ROOT, path: this.rootfs, recursive: false },
      { op: 'move-mount-to-path', from: ROOT, path: join(settings.bundle, 'rootfs') },
      { op: 'fs-mount', slot: 2, fstype: 'proc', options: [], attributes: 0 },
      { op: 'make-path', slot: 3, root: ROOT, path: '/proc', kind: 'directory', mode: 0o755 },
      { op: 'move-mount', from: 2, to: 3 },
      { op: 'fs-mount', slot: 4, fstype: 'devpts', options: [['ptmxmode', '0666']], attributes: 0 },
      { op: 'make-path', slot: 3, root: ROOT, path: '/dev/pts', kind: 'directory', mode: 0o755 },
      { op: 'move-mount', from: 4, to: 3 },
      { op: 'pivot-root', root: ROOT },
      { op: 'sethostname', name: 'bench' },
    ]
    const cloneFlags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID
    return this.finish(
      { cloneFlags, joinInitPidNamespace: false, terminal, stdin: options.stdin ?? false },
      steps,
      argv,
    )
  }

  /** A further process in that container. */
  execPlan(argv: readonly string[], options: { terminal?: boolean; stdin?: boolean } = {}): ProcessPlan {
    const steps: Step[] = [
      { op: 'setns-init', kinds: CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC },
      { op: 'chdir', path: '/' },
    ]
    const terminal = options.terminal ?? false
    return this.finish(
      { cloneFlags: 0, joinInitPidNamespace: true, terminal, stdin: options.stdin ?? false },
      steps,
      argv,
    )
  }

  private finish(
    kind: Pick<ProcessPlan, 'cloneFlags' | 'joinInitPidNamespace' | 'terminal' | 'stdin'>,
    steps: Step[],
    argv: readonly string[],
  ): ProcessPlan {
    steps.push({ op: 'setsid' })
    if (kind.terminal) {
      steps.push({ op: 'open-in-root', slot: 6, path: '/dev/pts', flags: O_PATH })
      steps.push({ op: 'pty', devpts: 6, rows: 24, columns: 80, uid: 0, gid: 0 })
    }
    steps.push({ op: 'resolve-exec', candidates: [`/bin/${argv[0]}`, '/bin/busybox'] })
    steps.push({ op: 'close-fds' }, { op: 'await-start' })
    steps.push({ op: 'exec', argv: argv[0] === 'busybox' ? argv : ['busybox', ...argv], env: ['PATH=/bin', 'HOME=/'] })
    return { ...kind, cgroupDirectory: undefined, steps }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const shim of this.shims) await shim.shutdown()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The exit of one process, awaited. */
export function exitOf(shim: Shim, process: string): Promise<{ code: number; exitedAtNs: bigint }> {
  return within(
    `exit of ${process}`,
    new Promise((done) => {
      shim.onExit((state) => {
        if (state.process === process) done(state.exit)
      })
    }),
  )
}

/** Rejects after ten seconds. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${WAIT_MS} ms`)), WAIT_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Looks every few milliseconds until `condition` holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + WAIT_MS
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what}: not within ${WAIT_MS} ms`)
    await new Promise((done) => setTimeout(done, 3))
  }
}

/** Everything that arrives until the end. */
export async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
  if (!socket.readableEnded) await within('end of stream', once(socket, 'end'))
  socket.destroy()
  return Buffer.concat(chunks)
}

/** Docker's frames taken apart: what was written to stdout (1) and stderr (2). */
export function unframe(bytes: Buffer): { stdout: string; stderr: string } {
  const streams = ['', '', '']
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at + 4)
    streams[bytes.readUInt8(at)] += bytes.toString('latin1', at + 8, at + 8 + size)
    at += 8 + size
  }
  return { stdout: streams[1] ?? '', stderr: streams[2] ?? '' }
}

export interface LogEntry {
  log: string
  stream: string
  time: string
}

export function readLog(path: string): LogEntry[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line) as LogEntry)
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false // it has gone, perhaps while we looked
  }
}
