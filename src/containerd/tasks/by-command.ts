// Another OCI runtime (crun, runc, …) by its command line: which words make, start and end a container, and what it says when it fails.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import { ERRNO, errnoText } from '../../linux/kernel-error.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { namespaceRoot } from '../../runtime/plan-namespaces.ts'
import { type CommandPlan, StepFailure } from '../../shim/shim.ts'

/** What a caller asks for; it stands in the task's record. */
export interface RuntimeChoice {
  /** A path, or a name to look for along PATH. Undefined: the built-in runtime. */
  program: string | undefined
  /** `--root`; containers are kept in a directory per namespace below it. Empty: the caller has no wish. */
  root: string
  systemdCgroup: boolean
  noPivot: boolean
  noNewKeyring: boolean
  /** The built-in runtime, but run by its command line: what criu has saved is brought back that way. */
  isOwnProgram?: boolean
}

/** Where what a container is to be brought back from lies, and where criu may write. */
export interface SavedImages {
  /** Empty: they come out of `fill`. */
  imagePath: string
  /** Puts them into a directory of the bundle, with which they go. */
  fill?: (directory: string) => Promise<void>
  workPath: string
}

interface ProcessStreams {
  terminal: boolean
  stdin: boolean
}

interface RunOptions {
  /** Before the container's id, and after it. */
  flags?: readonly string[]
  after?: readonly string[]
  /** For its standard input. */
  input?: string
}

/** What the shim shall run, and where the runtime says what went wrong. */
export interface LoggedPlan {
  plan: CommandPlan
  log: string
}

const OUTPUT_BYTES_MAX = 16 << 20

export class RuntimeCommands {
  /** As the caller named it. */
  readonly name: string
  readonly #choice: RuntimeChoice
  readonly #program: string
  readonly #root: string
  readonly #id: string
  readonly #bundle: string
  readonly #directory: string

  /** @param place `program` found, `root` with the namespace; `directory` is for log, pid files and sockets. */
  constructor(
    choice: RuntimeChoice,
    place: { program: string; root: string; id: string; bundle: string; directory: string },
  ) {
    this.name = choice.program ?? place.program
    this.#choice = choice
    this.#program = place.program
    this.#root = place.root
    this.#id = place.id
    this.#bundle = place.bundle
    this.#directory = place.directory
  }

  /** For the shim to run: it becomes the parent of what this makes. */
  create(streams: ProcessStreams): LoggedPlan {
    const { noPivot, noNewKeyring } = this.#choice
    const pidFile = join(this.#bundle, 'init.pid')
    const flags = [...(noPivot ? ['--no-pivot'] : []), ...(noNewKeyring ? ['--no-new-keyring'] : [])]
    const argv = ['create', '--bundle', this.#bundle, '--pid-file', pidFile, ...flags]
    return this.#plan('init', argv, pidFile, streams, false)
  }

  /** For the shim to run in the place of `create` and `start`. */
  restore({ imagePath, workPath }: SavedImages, streams: ProcessStreams): LoggedPlan {
    const pidFile = join(this.#bundle, 'init.pid')
    const images = ['--image-path', imagePath, '--work-path', workPath]
    const noPivot = this.#choice.noPivot ? ['--no-pivot'] : []
    const argv = ['restore', '--detach', '--no-subreaper', '--bundle', this.#bundle, '--pid-file', pidFile, ...images]
    return this.#plan('init', [...argv, ...noPivot], pidFile, streams, true)
  }

  /** `gate`: the path of a FIFO; the command waits until somebody has written a line to it. */
  exec(name: string, process: unknown, streams: ProcessStreams, gate: string | undefined): LoggedPlan {
    const spec = join(this.#directory, `exec-${name}.json`)
    writeFileSync(spec, JSON.stringify(process), { mode: 0o600 })
    const pidFile = join(this.#directory, `exec-${name}.pid`)
    const argv = ['exec', '--detach', '--process', spec, '--pid-file', pidFile]
    const { plan, log } = this.#plan(`exec-${name}`, argv, pidFile, streams, true)
    if (gate === undefined) return { plan, log }
    return { plan: { ...plan, argv: ['/bin/sh', '-c', 'read -r _ <"$0" && exec "$@"', gate, ...plan.argv] }, log }
  }

  /** Takes away what `exec` has written. */
  forgetExec(name: string): void {
    for (const suffix of ['json', 'pid', 'log'])
      rmSync(join(this.#directory, `exec-${name}.${suffix}`), { force: true })
  }

  /** Runs a verb to its end. @returns its standard output. Throws `unknown` with the runtime's own words behind `frame`. */
  async run(verb: string, frame: string, { flags = [], after = [], input = '' }: RunOptions = {}): Promise<string> {
    const log = join(this.#directory, `${verb}-${randomBytes(4).toString('hex')}.log`)
    const [program = '', ...rest] = [...this.#global(log), verb, ...flags, this.#id, ...after]
    try {
      return await new Promise((resolve, reject) => {
        const options = { cwd: this.#bundle, maxBuffer: OUTPUT_BYTES_MAX, encoding: 'utf8' } as const
        const child = execFile(program, rest, options, (error, stdout, stderr) => {
          if (error === null) resolve(stdout)
          else reject(explainCommand(frame, log, error, stderr))
        })
        child.stdin?.on('error', () => {}) // it may end without having read
        child.stdin?.end(input)
      })
    } finally {
      rmSync(log, { force: true })
    }
  }

  #plan(
    name: string,
    argv: readonly string[],
    pidFile: string,
    { terminal, stdin }: ProcessStreams,
    startsAtOnce: boolean,
  ): LoggedPlan {
    const log = join(this.#directory, `${name}.log`)
    rmSync(log, { force: true })
    const consoleSocket = `${name}.console`
    // Relative to the bundle, in which the runtime runs: the whole path may be longer than an address of a socket.
    const socket = join(relative(this.#bundle, this.#directory), consoleSocket)
    const terminalFlags = terminal ? ['--console-socket', socket] : []
    const env = Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]))
    const plan = {
      argv: [...this.#global(log), ...argv, ...terminalFlags, this.#id],
      env,
      cwd: this.#bundle,
      pidFile,
      terminal,
      stdin,
      consoleSocket: terminal ? consoleSocket : '',
      startsAtOnce,
    }
    return { plan, log }
  }

  #global(log: string): string[] {
    const systemd = this.#choice.systemdCgroup ? ['--systemd-cgroup'] : []
    const logging = ['--log', log, '--log-format', 'json']
    return [this.#program, '--root', this.#root, ...logging, ...systemd]
  }
}

/** In a user namespace the pipes that the shim makes are its root's. */
export function withOwnedStreams(plan: CommandPlan, spec: RuntimeSpec): CommandPlan {
  const streamOwner = namespaceRoot(spec)
  return streamOwner === undefined ? plan : { ...plan, streamOwner }
}

/** The last error of the runtime's log; where there is none, what its standard error said. */
export function explainCommand(frame: string, log: string, error: unknown, stderr = ''): Failure {
  const words = lastError(log) ?? (stderr.trim() || wordsOf(error))
  return new Failure('unknown', `${frame}: ${words}`, { cause: error })
}

/** The shim knows of a failed command only that it failed, or why it could not be executed. */
function wordsOf(error: unknown): string {
  if (!(error instanceof StepFailure)) return messageOf(error)
  return error.errno === ERRNO.ECHILD ? 'the runtime did not terminate successfully' : errnoText(error.errno)
}

function lastError(log: string): string | undefined {
  try {
    const lines = readFileSync(log, 'utf8').split('\n')
    return lines.reduce<string | undefined>((last, line) => errorOf(line) ?? last, undefined)
  } catch {
    return undefined // it did not come to write one
  }
}

/** `{"level":"error","msg":"…","time":"…"}` */
function errorOf(line: string): string | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    if (typeof entry !== 'object' || entry === null || !('level' in entry) || !('msg' in entry)) return undefined
    return entry.level === 'error' ? String(entry.msg).trim() : undefined
  } catch {
    return undefined // a line cut short, or none
  }
}
