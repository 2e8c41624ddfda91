// The standard streams of a task in CreateTaskRequest and ExecProcessRequest, where the task runs under our shim.
//
// containerd's fields stdin, stdout and stderr may hold URIs. Ours names the stream socket that the shim shall serve (native/README.md) and the log:
//
//     berth://<absolute path of the stream socket>?log=json-file&path=<file>&max-size=<bytes>&max-file=<n>&attributes=<base64url>&stdin-once=1
//
// The same URI stands in `stdout` and `stderr`; `stdin` holds it too when standard input is wanted. An exec names the container's socket, without log.
// A foreign containerd does not know the scheme; for it the engine passes FIFOs.
import { Failure } from '../../base/failure.ts'
import type { ShimLog } from '../../shim/shim.ts'

export interface TaskStdio {
  socketPath: string
  log: ShimLog | undefined
  stdinOnce: boolean
}

export function formatStdioUri(stdio: TaskStdio): string {
  const query = new URLSearchParams()
  if (stdio.log) {
    query.set('log', stdio.log.driver)
    query.set('path', stdio.log.path)
    query.set('max-size', String(stdio.log.maxSizeBytes))
    query.set('max-file', String(stdio.log.maxFiles))
    const attributes = Buffer.from(stdio.log.attributes ?? []).toString('base64url')
    if (attributes !== '') query.set('attributes', attributes)
  }
  if (stdio.stdinOnce) query.set('stdin-once', '1')
  const search = query.toString()
  return `berth://${stdio.socketPath.split('/').map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`
}

/** Undefined for anything that is not of our scheme; throws on a malformed one. */
export function parseStdioUri(text: string): TaskStdio | undefined {
  if (!text.startsWith('berth://')) return undefined
  const url = parseUrl(text)
  const query = url.searchParams
  const socketPath = requirePath(decodePath(url.pathname), text)
  if (url.host !== '') throw new Failure('invalid-argument', `stdio: no absolute path in ${text}`)
  const log = query.get('log') === null ? undefined : parseLog(query, text)
  return { socketPath, log, stdinOnce: query.get('stdin-once') === '1' }
}

function parseLog(query: URLSearchParams, text: string): NonNullable<TaskStdio['log']> {
  const driver = query.get('log')
  if (driver !== 'json-file' && driver !== 'local')
    throw new Failure('invalid-argument', `stdio: unknown log in ${text}`)
  const path = requirePath(query.get('path') ?? '', text)
  const attributes = Buffer.from(query.get('attributes') ?? '', 'base64url')
  return {
    driver,
    path,
    maxSizeBytes: parseCount(query, 'max-size', 0),
    maxFiles: parseCount(query, 'max-file', 1),
    ...(attributes.length > 0 ? { attributes } : {}),
  }
}

function parseUrl(text: string): URL {
  try {
    return new URL(text)
  } catch (error) {
    throw new Failure('invalid-argument', `stdio: not a URI: ${text}`, { cause: error })
  }
}

/** Empty for what is no UTF-8. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return ''
  }
}

/** The kernel would end a path at a NUL, and open another file than the one that was checked. */
function requirePath(path: string, text: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return path
  throw new Failure('invalid-argument', `stdio: no absolute path in ${text}`)
}

function parseCount(query: URLSearchParams, key: string, fallback: number): number {
  const text = query.get(key)
  if (text === null) return fallback
  if (!/^\d{1,15}$/.test(text)) throw new Failure('invalid-argument', `stdio: ${key} is not a count: ${text}`)
  return Number(text)
}
