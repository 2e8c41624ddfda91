// Looks at files where others may have mounted what never answers (a FUSE server that hangs, a server of NFS that is down): whoever looks there
// waits, and a daemon must not. What can't hang is looked at right here; all else by a process that can be killed.
import { spawn } from 'node:child_process'
import { systemClock } from '../base/clock.ts'
import { Failure, isFailure } from '../base/failure.ts'
import { AT_FDCWD, O_DIRECTORY, O_PATH, RESOLVE_CACHED, RESOLVE_NO_XDEV } from './constants.ts'
import type { Fd, Kernel } from './kernel.ts'
import { ERRNO, hasErrno } from './kernel-error.ts'
import { readFileInRoot } from './read-file-in-root.ts'

const LIMIT_MS = 10_000
/** Where the process finds the descriptor that it is given. */
const PASSED_ROOT = '/proc/self/fd/3'
/** What keeps this process from knowing, unlike what there is not. */
const OUT_OF: readonly number[] = [ERRNO.ENOMEM, ERRNO.EMFILE, ERRNO.ENFILE]

export type FileKind = 'directory' | 'other'

export class BoundedFiles {
  readonly #kernel: Kernel
  readonly #program: string | undefined
  readonly #limitMs: number

  /** @param program an absolute path of berth-shim; undefined: it is not installed, and what may hang can't be looked at. */
  constructor(kernel: Kernel, program: string | undefined, limitMs = LIMIT_MS) {
    this.#kernel = kernel
    this.#program = program
    this.#limitMs = limitMs
  }

  /**
   * As `readFileInRoot`. Where no other file system is on the way nothing is waited for but the root's own. Rejects with `deadline-exceeded` where there is
   * no answer in time, with `cancelled` when the signal aborts. The root stays the caller's, and open until then.
   */
  async read(root: Fd, path: string, sizeMax: number, signal?: AbortSignal): Promise<string | undefined> {
    try {
      return readFileInRoot(this.#kernel, root, path, sizeMax, RESOLVE_NO_XDEV)
    } catch (error) {
      if (!hasErrno(error, 'EXDEV')) throw error
    }
    const bytes = await this.#ask(`read ${path}`, ['--read', String(sizeMax), PASSED_ROOT, path], root, signal)
    return bytes?.toString('utf8')
  }

  /** The same below a directory of the host, which may hang itself. */
  async readBelow(root: string, path: string, sizeMax: number, signal?: AbortSignal): Promise<string | undefined> {
    const bytes = await this.#ask(`read ${path}`, ['--read', String(sizeMax), root, path], undefined, signal)
    return bytes?.toString('utf8')
  }

  /** Of what is there on the host, at the end of all links. Undefined where nothing is, or nothing that we may see. Rejects as `read`. */
  async kindOf(path: string, signal?: AbortSignal): Promise<FileKind | undefined> {
    const known = this.#kindInCache(path)
    if (known !== 'unknown') return known
    const answer = await this.#ask(`stat ${path}`, ['--kind', path], undefined, signal)
    return answer && (answer.toString() === 'd' ? 'directory' : 'other')
  }

  /** What the kernel knows without asking any file system. */
  #kindInCache(path: string): FileKind | 'unknown' | undefined {
    const directory = this.#lookInCache(path, O_PATH | O_DIRECTORY)
    if (directory === 'there') return 'directory'
    const found = directory === 'absent' ? this.#lookInCache(path, O_PATH) : directory
    if (found === 'there') return 'other'
    return found === 'absent' ? undefined : found
  }

  #lookInCache(path: string, flags: number): 'there' | 'absent' | 'unknown' {
    try {
      this.#kernel.close(this.#kernel.openat2(AT_FDCWD, path, { flags, resolve: RESOLVE_CACHED }))
      return 'there'
    } catch (error) {
      if (isFailure(error, 'resource-exhausted')) throw error
      return hasErrno(error, 'ENOENT', 'ENOTDIR') ? 'absent' : 'unknown'
    }
  }

  /** What the process says; undefined where it has found nothing of the kind. */
  async #ask(
    what: string,
    words: readonly string[],
    passed: Fd | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Buffer | undefined> {
    if (this.#program === undefined)
      throw new Failure('failed-precondition', `${what}: berth-shim is not installed beside the daemon`)
    if (signal?.aborted) throw new Failure('cancelled', 'context canceled')
    const [option = '', ...rest] = words
    const child = spawn(this.#program, [option, String(process.pid), ...rest], {
      stdio: ['ignore', 'pipe', 'ignore', ...(passed === undefined ? [] : [passed])],
      env: {},
    })
    const pieces: Buffer[] = []
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece))
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    const stop = new AbortController()
    const giveUp = () => stop.abort()
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      const status = await Promise.race([
        ended,
        systemClock.sleep(this.#limitMs, stop.signal).then(() => 'late' as const),
      ])
      if (status === 'late') throw this.#tooLate(what, signal)
      if (status === 0) return Buffer.concat(pieces)
      if (status !== null && !OUT_OF.includes(status)) return undefined
      throw new Failure('internal', `${what}: the process that was to look ended with ${status ?? child.signalCode}`)
    } finally {
      signal?.removeEventListener('abort', giveUp)
      stop.abort()
      child.kill('SIGKILL')
      child.stdout?.destroy()
      child.unref()
      ended.catch(() => {}) // awaited above, where that is of interest
    }
  }

  #tooLate(what: string, signal: AbortSignal | undefined): Failure {
    if (signal?.aborted) return new Failure('cancelled', 'context canceled')
    return new Failure('deadline-exceeded', `${what}: no answer within ${this.#limitMs / 1000} seconds`)
  }
}
