// Hooks on the host (config.md, "POSIX-platform Hooks"): in their order, the container's state on standard input, exactly their environment.
import { spawn } from 'node:child_process'
import { Failure, messageOf } from '../../base/failure.ts'
import { errnoText } from '../../linux/kernel-error.ts'
import type { HookSpec } from '../../oci/runtime-spec.ts'

/** The container's state as runtime.md has it. */
export type StateDocument = Readonly<Record<string, unknown>>

export interface HookRun {
  hooks: readonly HookSpec[] | undefined
  state: StateDocument
  /** Working directory: the bundle. */
  cwd: string
}

/** What a hook says is kept for the error up to here, and read beyond it. */
const OUTPUT_BYTES_MAX = 64 << 10
/** Descendants of a hook that has ended may hold its streams; they are not waited for longer. */
const DRAIN_MS = 100

/** One after the other. Throws Failure in runc's words at the first that fails. */
export async function runHooks(run: HookRun): Promise<void> {
  for (const index of (run.hooks ?? []).keys()) await runHookAt(run, index)
}

/** All of them, whatever becomes of each: `poststop` is for cleaning up. */
export async function runHooksToTheEnd(run: HookRun, onFailure: (error: Failure) => void): Promise<void> {
  for (const index of (run.hooks ?? []).keys()) {
    try {
      await runHookAt(run, index)
    } catch (error) {
      onFailure(error instanceof Failure ? error : new Failure('internal', messageOf(error)))
    }
  }
}

async function runHookAt({ hooks, state, cwd }: HookRun, index: number): Promise<void> {
  const hook = hooks?.[index]
  if (hook === undefined) return
  try {
    await runHook(hook, state, cwd)
  } catch (error) {
    throw new Failure('aborted', `error running hook #${index}: ${messageOf(error)}`, { cause: error })
  }
}

async function runHook(hook: HookSpec, state: StateDocument, cwd: string): Promise<void> {
  const [name, ...args] = hook.args ?? []
  const child = spawn(hook.path, args, {
    argv0: name ?? hook.path,
    cwd,
    env: Object.fromEntries((hook.env ?? []).map(splitVariable)),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true, // a group of its own, which a timeout kills whole
  })
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  child.stdin.on('error', () => {}) // it need not read its input
  child.stdin.end(JSON.stringify(state))
  const timer = startTimer(hook.timeout, () => killGroup(child.pid))
  try {
    const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (exitCode, exitSignal) => {
        const finish = () => resolve({ code: exitCode, signal: exitSignal })
        child.once('close', finish)
        setTimeout(finish, DRAIN_MS).unref()
      })
    })
    if (timer.isOver()) throw new Failure('deadline-exceeded', `hook ran past specified timeout of ${timer.text}`)
    if (code === 0) return
    const status = signal === null ? `exit status ${code}` : `signal: ${signal}`
    const said = `stdout: ${stdout()}, stderr: ${stderr()}`
    throw new Failure('aborted', `error running hook: ${status}, ${said}`)
  } catch (error) {
    throw describe(error, hook.path)
  } finally {
    timer.stop()
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

function startTimer(seconds: number | undefined, onOver: () => void) {
  let isOver = false
  const isLimited = seconds !== undefined && seconds > 0
  const timer = isLimited
    ? setTimeout(() => {
        isOver = true
        onOver()
      }, seconds * 1000)
    : undefined
  return { text: `${(seconds ?? 0).toFixed(1)}s`, isOver: () => isOver, stop: () => clearTimeout(timer) }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // it has just ended
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    if (size < OUTPUT_BYTES_MAX) chunks.push(chunk.subarray(0, OUTPUT_BYTES_MAX - size))
    size += chunk.length
  })
  stream.on('error', () => {})
  return () => Buffer.concat(chunks).toString('utf8')
}

/** A variable without a value is one whose value is empty. */
function splitVariable(variable: string): [string, string] {
  const equals = variable.indexOf('=')
  return equals < 0 ? [variable, ''] : [variable.slice(0, equals), variable.slice(equals + 1)]
}

/** Go's words for a program that cannot be run. */
function describe(error: unknown, path: string): Error {
  if (error instanceof Error && 'syscall' in error && 'errno' in error && typeof error.errno === 'number')
    return new Failure('not-found', `fork/exec ${path}: ${errnoText(Math.abs(error.errno))}`, { cause: error })
  return error instanceof Error ? error : new Error(String(error))
}
