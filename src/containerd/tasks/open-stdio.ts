// Where a process's streams go, by the words that a caller of containerd uses: FIFOs, `file:///path`, `binary:///program?key=value`, or our own
// stream socket (client/stdio-uri.ts).
import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { StreamPaths } from '../../shim/shim.ts'
import { parseStdioUri } from '../client/stdio-uri.ts'
import { type Logger, startLogger } from './logger.ts'
import type { TaskStreams } from './task.ts'
import type { TaskHost } from './task-host.ts'

export interface Stdio {
  /** For the shim; absent where nothing goes to a path. */
  paths: StreamPaths | undefined
  /** Ends some time after the process. */
  logger: Logger | undefined
}

export interface StdioOwner {
  namespace: string
  id: string
  /** For the FIFOs of a logger. */
  directory: string
}

/** Throws `invalid-argument` for what makes no sense; a file's directory and the file are made, a logger is started. */
export async function openStdio(host: TaskHost, owner: StdioOwner, streams: TaskStreams): Promise<Stdio> {
  const nothing: Stdio = { paths: undefined, logger: undefined }
  const { stdin, stdout, stderr } = streams
  if (parseStdioUri(stdout) ?? parseStdioUri(stdin)) return nothing
  if (stdin === '' && stdout === '' && stderr === '') return nothing
  const input = stdin === '' ? '' : requirePath(stdin)
  const [, scheme = 'fifo'] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(stdout) ?? []
  switch (scheme) {
    case 'fifo': {
      const output = stdout.replace(/^fifo:\/\//, '')
      const paths = {
        stdin: input,
        stdout: output === '' ? '' : requirePath(output),
        stderr: stderr === '' ? '' : requirePath(stderr),
      }
      return { paths, logger: undefined }
    }
    case 'file': {
      const path = requirePath(decodePath(stdout))
      makeFile(path)
      return { paths: { stdin: input, stdout: path, stderr: path }, logger: undefined }
    }
    case 'binary':
    case 'binary-v2': {
      const logger = await startLogger(host, owner, stdout)
      return { paths: { stdin: input, ...logger.paths }, logger }
    }
    default:
      throw new Failure('invalid-argument', `unknown STDIO scheme ${scheme}`)
  }
}

function makeFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  closeSync(openSync(path, constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY, 0o644))
}

function decodePath(uri: string): string {
  try {
    return decodeURIComponent(new URL(uri).pathname)
  } catch (error) {
    throw new Failure('invalid-argument', `unable to parse stdout uri: ${uri}`, { cause: error })
  }
}

/** The kernel would end a path at a NUL, and open another file than the one that was meant. */
function requirePath(path: string): string {
  if (path.startsWith('/') && !path.includes('\0')) return path
  throw new Failure('invalid-argument', `stdio: no absolute path: ${JSON.stringify(path)}`)
}
