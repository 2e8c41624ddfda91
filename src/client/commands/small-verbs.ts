// The verbs that are one request per container: stop, restart, pause, unpause, rename, wait, top.
import { isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, forEach, type Shell } from '../command.ts'
import type { ApiCall } from '../connection/connection.ts'
import type { FlagValues } from '../flags.ts'
import { formatTable } from '../format/table.ts'
import { containerPath, ignoreNotModified } from './container-calls.ts'

function post(shell: Shell, path: string, query: NonNullable<ApiCall['query']> = {}): Promise<void> {
  return shell.connection.send({ method: 'POST', path, query }).catch(ignoreNotModified)
}

/** For each name one POST; the name is echoed. */
function verb(
  name: string,
  options: Pick<Command, 'flags'> & { query?: typeof stopQuery; isInTurn?: boolean },
): Command {
  return {
    flags: options.flags,
    args: { min: 1 },
    run(shell, names, flags) {
      const query = options.query?.(flags) ?? {}
      const work = async (each: string) => {
        await post(shell, `${containerPath(each)}/${name}`, query)
        return each
      }
      return options.isInTurn ? inTurn(shell, names, work) : forEach(shell, names, work)
    },
  }
}

/** One after the other, each told as it is done. */
async function inTurn(
  shell: Shell,
  names: readonly string[],
  work: (name: string) => Promise<string>,
): Promise<number> {
  const failures: string[] = []
  for (const name of names) {
    try {
      shell.print(`${await work(name)}\n`)
    } catch (error) {
      failures.push(messageOf(error))
    }
  }
  if (failures.length > 0) throw new ExitCode(1, failures.join('\n'))
  return 0
}

const STOP_FLAGS: Command['flags'] = [
  { name: 'signal', short: 's', kind: 'string', usage: 'Signal to send to the container' },
  {
    ...{ name: 'time', kind: 'int', hidden: true, aliasOf: 'timeout', deprecated: 'use --timeout instead' },
    usage: 'Seconds to wait before killing the container',
  },
  { name: 'timeout', short: 't', kind: 'int', usage: 'Seconds to wait before killing the container' },
]

function stopQuery(flags: FlagValues): NonNullable<ApiCall['query']> {
  if (flags.isGiven('time') && flags.isGiven('timeout'))
    throw new ExitCode(1, 'conflicting options: cannot specify both --timeout and --time')
  return { t: flags.number('timeout'), signal: flags.text('signal') || undefined }
}

export const stop = verb('stop', { flags: STOP_FLAGS, query: stopQuery })
export const restart = verb('restart', { flags: STOP_FLAGS, query: stopQuery, isInTurn: true })
export const pause = verb('pause', { flags: [] })
export const unpause = verb('unpause', { flags: [] })

export const rename: Command = {
  flags: [],
  args: { min: 2, max: 2 },
  async run(shell, args) {
    const [from = '', to = ''] = args.map((name) => name.trim())
    if (from === '' || to === '') throw new ExitCode(1, 'Error: Neither old nor new names may be empty')
    try {
      await post(shell, `${containerPath(from)}/rename`, { name: to })
    } catch (error) {
      if (!isFailure(error)) throw error
      throw new ExitCode(1, `${error.message}\nError: failed to rename container named ${from}`)
    }
    return 0
  },
}

export const wait: Command = {
  flags: [],
  args: { min: 1 },
  run: (shell, names) =>
    inTurn(shell, names, async (name) => {
      const path = `${containerPath(name)}/wait`
      const { StatusCode } = await shell.connection.json<{ StatusCode: number }>({ method: 'POST', path })
      return String(StatusCode)
    }),
}

export const top: Command = {
  flags: [],
  args: { min: 1 },
  interspersed: false,
  async run(shell, [name = '', ...options]) {
    const { Titles, Processes } = await shell.connection.json<{ Titles: string[]; Processes: string[][] | null }>({
      method: 'GET',
      path: `${containerPath(name)}/top`,
      query: options.length > 0 ? { ps_args: options.join(' ') } : {},
    })
    shell.print(formatTable([Titles, ...(Processes ?? [])], 20))
    return 0
  },
}
