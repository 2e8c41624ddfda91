// docker-credential-* programs (github.com/docker/docker-credential-helpers): a word as argument, one request on standard input.
import { spawnSync } from 'node:child_process'
import { Failure } from '../../base/failure.ts'
import type { Credentials } from './credentials.ts'

/** A helper may ask the user for the key of its store. */
const TIMEOUT_MS = 120_000
const OUTPUT_BYTES_MAX = 1024 * 1024
const NOT_FOUND = 'credentials not found in native keychain'
/** A helper's user name where its secret is a token. */
const TOKEN_USER = '<token>'

/** Undefined where the helper has none. Throws what else it says. */
export function getFromHelper(helper: string, key: string): Credentials | undefined {
  const answer = ask(helper, 'get', key)
  if (answer.why !== undefined && answer.output === NOT_FOUND) return undefined
  if (answer.why !== undefined) throw failure('getting', answer)
  const { Username = '', Secret = '' } = JSON.parse(answer.output) as { Username?: string; Secret?: string }
  if (Username === TOKEN_USER) return { username: '', password: '', identitytoken: Secret }
  return { username: Username, password: Secret }
}

export function storeInHelper(helper: string, key: string, { username, password, identitytoken }: Credentials): void {
  const secret = identitytoken
    ? { Username: TOKEN_USER, Secret: identitytoken }
    : { Username: username, Secret: password }
  const answer = ask(helper, 'store', `${JSON.stringify({ ServerURL: key, ...secret })}\n`)
  if (answer.why !== undefined) throw failure('storing', answer)
}

export function eraseInHelper(helper: string, key: string): void {
  const answer = ask(helper, 'erase', key)
  if (answer.why !== undefined) throw failure('erasing', answer)
}

/** Whether the program can be found at all. */
export function isHelperThere(helper: string, env: NodeJS.ProcessEnv): boolean {
  return isProgramThere(`docker-credential-${helper}`, env)
}

export function isProgramThere(program: string, env: NodeJS.ProcessEnv): boolean {
  return spawnSync('sh', ['-c', 'command -v -- "$1"', 'sh', program], { env }).status === 0
}

interface Answer {
  output: string
  /** Undefined where it went well. */
  why: string | undefined
}

function ask(helper: string, word: string, input: string): Answer {
  const program = `docker-credential-${helper}`
  if (!/^[\w.-]+$/.test(helper)) return { output: '', why: `exec: "${program}": executable file not found in $PATH` }
  const { status, signal, stdout, error } = spawnSync(program, [word], {
    ...{ input, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const output = (stdout ?? '').trim()
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
    return { output, why: `exec: "${program}": executable file not found in $PATH` }
  if (error !== undefined) return { output, why: error.message }
  return { output, why: status === 0 ? undefined : signal === null ? `exit status ${status}` : `signal: ${signal}` }
}

function failure(doing: string, { why, output }: Answer): Failure {
  return new Failure('unauthenticated', `error ${doing} credentials - err: ${why}, out: \`${output}\``)
}
