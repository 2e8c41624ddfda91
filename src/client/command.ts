// A command of the client: a row for the parser and the help, and what it does.
import type { Connection } from './connection/connection.ts'
import type { Flag, FlagValues } from './flags.ts'

/** The world of a command: where it speaks to and what it prints on. */
export interface Shell {
  readonly connection: Connection
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly env: NodeJS.ProcessEnv
  print(text: string): void
  printError(text: string): void
}

export interface Command {
  /** `run`, `container run`, `image ls`: every path under which it is found; the first is the one that help shows. */
  readonly paths: readonly string[]
  /** What follows the path in the usage line: `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string
  readonly summary: string
  readonly flags: readonly Flag[]
  readonly args: { min: number; max?: number }
  /** False: the first argument ends the flags. */
  readonly interspersed?: boolean
  /** Exit code of a failure of the client or the engine; 1 where not given. */
  readonly failureCode?: number
  /** @returns the exit code. */
  run(shell: Shell, args: string[], flags: FlagValues): Promise<number>
}

/** Ends the program with a code after what was to be said has been said. */
export class ExitCode extends Error {
  readonly code: number

  constructor(code: number, message = '') {
    super(message)
    this.code = code
  }
}

/** Runs `work` for each name; failures are printed and make the code 1, the others go on: `docker rm a b c`. */
export async function forEach(
  shell: Shell,
  names: readonly string[],
  work: (name: string) => Promise<void>,
): Promise<number> {
  let code = 0
  for (const name of names) {
    try {
      await work(name)
    } catch (error) {
      if (error instanceof ExitCode) throw error
      shell.printError(`${error instanceof Error ? error.message : String(error)}\n`)
      code = 1
    }
  }
  return code
}
