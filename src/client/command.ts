// A command of the client: what the parser and the help must know of it, and what it does.
import type { ConfigFile } from './connection/config-file.ts'
import type { Connection } from './connection/connection.ts'
import type { HostAndTls } from './connection/endpoint.ts'
import type { Flag, FlagValues } from './flags.ts'
import type { Interruption } from './terminal/interruption.ts'

/** The world of a command: where it speaks to and what it prints on. */
export interface Shell {
  /** Resolved when first asked for: help and bad command lines need no engine. */
  readonly connection: Connection
  readonly config: ConfigFile
  /** Where config.json and the contexts are. */
  readonly configDirectory: string
  /** What flags and environment say of the engine, without any context. Throws in the Docker CLI's words. */
  resolveDefault(): HostAndTls
  /** The name of the context that the engine came from. */
  readonly context: string
  readonly isDebug: boolean
  readonly env: NodeJS.ProcessEnv
  readonly interruption: Interruption
  print(text: string): void
  printError(text: string): void
}

export interface Command {
  /** What its help says where that is more than its summary. */
  readonly description?: string
  readonly flags: readonly Flag[]
  readonly args: { min: number; max?: number }
  /** False: the first argument ends the flags. */
  readonly interspersed?: boolean
  /** @param called the path that it was called by: `images`, `image ls`. Returns the exit code. */
  run(shell: Shell, args: string[], flags: FlagValues, called: string): Promise<number>
}

/** Ends the program with a code, after its message if it has one. */
export class ExitCode extends Error {
  readonly code: number

  constructor(code: number, message = '') {
    super(message)
    this.code = code
  }
}

const PARALLEL_MAX = 50

/**
 * Works on all names at once, reports in their order: `docker rm a b c`. Failures come after what went well,
 * one a line, and make the exit code 1.
 */
export async function forEach(
  shell: Shell,
  names: readonly string[],
  work: (name: string) => Promise<string | undefined>,
): Promise<number> {
  const failures: string[] = []
  for (let start = 0; start < names.length; start += PARALLEL_MAX) {
    const results = await Promise.allSettled(names.slice(start, start + PARALLEL_MAX).map(work))
    for (const result of results) {
      if (result.status === 'fulfilled') shell.print(result.value === undefined ? '' : `${result.value}\n`)
      else failures.push(result.reason instanceof Error ? result.reason.message : String(result.reason))
    }
  }
  if (failures.length > 0) throw new ExitCode(1, failures.join('\n'))
  return 0
}
