// Runs a shim's program for one of its actions, `start` or `delete`, as the contract has it: in the bundle, told by flags and environment.
import { spawn } from 'node:child_process'
import { Failure } from '../../base/failure.ts'
import type { Bundle } from './bundle.ts'
import type { ShimHost } from './shim-host.ts'

export interface ShimRun {
  action: 'start' | 'delete'
  input?: Uint8Array
  signal?: AbortSignal
  timeoutMs: number
}

export interface ShimOutput {
  stdout: Buffer
  stderr: Buffer
  /** Both in the order in which they came. */
  combined: Buffer
}

const OUTPUT_BYTES_MAX = 1 << 20
/** Something that the program has started may hold its output open: so long is waited for the end of it. */
const LINGER_MS = 1_000

/** Resolves when it has ended with 0. Throws `unknown` with its words, `cancelled` or `deadline-exceeded`; then it and what is in its process group is dead. */
export async function runShim(host: ShimHost, program: string, bundle: Bundle, run: ShimRun): Promise<ShimOutput> {
  const child = spawn(program, flagsOf(host, bundle, run.action), {
    cwd: bundle.path,
    env: { ...process.env, ...environmentOf(host, bundle) },
    detached: true, // a process group of its own: what ends us does not end the shim
    stdio: 'pipe',
  })
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[], combined: [] as Buffer[] }
  let size = 0
  let stop: Failure | undefined
  const kill = (reason: Failure): void => {
    stop ??= reason
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended just now.
    }
    child.stdout.destroy()
    child.stderr.destroy()
  }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => {
      output[name].push(chunk)
      output.combined.push(chunk)
      size += chunk.length
      if (size > OUTPUT_BYTES_MAX) kill(new Failure('unknown', `shim printed more than ${OUTPUT_BYTES_MAX} bytes`))
    })
  child.stdin.on('error', () => {}) // it may end without having read
  child.stdin.end(run.input)
  const cancel = (): void => kill(new Failure('cancelled', 'context canceled'))
  run.signal?.addEventListener('abort', cancel, { once: true })
  if (run.signal?.aborted) cancel()
  const timer = setTimeout(() => kill(new Failure('deadline-exceeded', 'context deadline exceeded')), run.timeoutMs)
  try {
    const ending = await ended(child)
    const said = Buffer.concat(output.combined, size).toString('utf8').trim()
    if (stop !== undefined) throw new Failure(stop.code, said === '' ? stop.message : `${said}: ${stop.message}`)
    if (ending !== undefined) throw new Failure('unknown', said === '' ? ending : `${said}: ${ending}`)
    return {
      stdout: Buffer.concat(output.stdout),
      stderr: Buffer.concat(output.stderr),
      combined: Buffer.concat(output.combined),
    }
  } finally {
    clearTimeout(timer)
    run.signal?.removeEventListener('abort', cancel)
  }
}

/** @returns how it ended, in Go's words; undefined for 0. */
function ended(child: ReturnType<typeof spawn>): Promise<string | undefined> {
  return new Promise((resolve) => {
    let linger: NodeJS.Timeout | undefined
    child.once('error', (error) => resolve(`fork/exec ${child.spawnfile}: ${error.message}`))
    child.once('exit', () => {
      linger = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, LINGER_MS)
    })
    child.once('close', (code, signal) => {
      clearTimeout(linger)
      if (code === 0) resolve(undefined)
      else resolve(signal === null ? `exit status ${code}` : `signal: ${signal}`)
    })
  })
}

function flagsOf(host: ShimHost, bundle: Bundle, action: ShimRun['action']): string[] {
  return [
    ...['-namespace', bundle.namespace],
    ...['-address', host.grpcAddress],
    ...['-publish-binary', host.program],
    ...['-id', bundle.id],
    ...(action === 'delete' ? ['-bundle', bundle.path] : []),
    ...(host.isDebug ? ['-debug'] : []),
    action,
  ]
}

function environmentOf(host: ShimHost, { namespace }: Bundle): Record<string, string> {
  return {
    TTRPC_ADDRESS: host.ttrpcAddress,
    GRPC_ADDRESS: host.grpcAddress,
    NAMESPACE: namespace,
    // The version of the start's answer that we understand besides the bare address.
    MAX_SHIM_VERSION: '2',
    GOMAXPROCS: '2',
  }
}
