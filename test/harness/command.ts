// Runs programs for tests: bounded, with everything they printed.
import { spawn } from 'node:child_process'

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
}

export interface CommandOptions {
  input?: string | Uint8Array
  env?: Record<string, string>
  timeoutMs?: number
  cwd?: string
}

/** Runs to the end. A signal's death counts as 128 + number's stand-in 255; running out of time throws. */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const [program = '', ...rest] = argv
    const child = spawn(program, rest, { env: { ...process.env, ...options.env }, cwd: options.cwd, stdio: 'pipe' })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`timed out: ${argv.join(' ')}\n${Buffer.concat(stdout)}\n${Buffer.concat(stderr)}`))
    }, options.timeoutMs ?? 60_000)
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.stdin.on('error', () => {}) // a program that doesn't read its input is no failure
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? 255, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() })
    })
    child.stdin.end(options.input)
  })
}

/** Runs to the end and insists on exit code 0; the trimmed standard output. */
export async function must(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await run(argv, options)
  if (result.code !== 0) throw new Error(`${argv.join(' ')}: exit ${result.code}\n${result.stdout}\n${result.stderr}`)
  return result.stdout.trim()
}

/** Waits until `probe` gives something, at most `limitMs`. */
export async function eventually<T>(
  what: string,
  limitMs: number,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const end = Date.now() + limitMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    if (Date.now() > end)
      throw new Error(`never within ${limitMs} ms: ${what}${last === undefined ? '' : ` (${String(last)})`}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
