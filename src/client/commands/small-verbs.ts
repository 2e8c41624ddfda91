// The verbs that are one request per container: stop, restart, pause, unpause, rename, wait, top.
import { isFailure } from '../../base/failure.ts'
import { type Command, forEach, type Shell } from '../command.ts'
import type { ApiCall } from '../connection/connection.ts'
import { formatTable } from '../format/table.ts'

const containerPath = (name: string) => `/containers/${encodeURIComponent(name)}`

async function post(shell: Shell, path: string, query: NonNullable<ApiCall['query']> = {}): Promise<void> {
  try {
    const response = await shell.connection.open({ method: 'POST', path, query })
    response.resume()
  } catch (error) {
    if (!isFailure(error, 'not-modified')) throw error
  }
}

/** For each name one POST; the name is echoed. */
function verb(
  name: string,
  summary: string,
  options: Pick<Command, 'flags'> & { query?: (flags: Parameters<Command['run']>[2]) => NonNullable<ApiCall['query']> },
): Command {
  return {
    paths: [name, `container ${name}`],
    usage: `${options.flags.length > 0 ? '[OPTIONS] ' : ''}CONTAINER [CONTAINER...]`,
    summary,
    flags: options.flags,
    args: { min: 1 },
    run: (shell, names, flags) =>
      forEach(shell, names, async (each) => {
        await post(shell, `${containerPath(each)}/${name}`, options.query?.(flags))
        shell.print(`${each}\n`)
      }),
  }
}

const STOP_FLAGS: Command['flags'] = [
  { name: 'signal', short: 's', kind: 'string', usage: 'Signal to send to the container' },
  { name: 'timeout', short: 't', kind: 'int', usage: 'Seconds to wait before killing the container' },
  {
    name: 'time',
    kind: 'int',
    usage: 'Seconds to wait before killing the container',
    hidden: true,
    aliasOf: 'timeout',
  },
]
const stopQuery: Parameters<typeof verb>[2]['query'] = (flags) => ({
  t: flags.number('timeout'),
  signal: flags.text('signal'),
})

export const stop = verb('stop', 'Stop one or more running containers', { flags: STOP_FLAGS, query: stopQuery })
export const restart = verb('restart', 'Restart one or more containers', { flags: STOP_FLAGS, query: stopQuery })
export const pause = verb('pause', 'Pause all processes within one or more containers', { flags: [] })
export const unpause = verb('unpause', 'Unpause all processes within one or more containers', { flags: [] })

export const rename: Command = {
  paths: ['rename', 'container rename'],
  usage: 'CONTAINER NEW_NAME',
  summary: 'Rename a container',
  flags: [],
  args: { min: 2, max: 2 },
  async run(shell, [name = '', to = '']) {
    await post(shell, `${containerPath(name)}/rename`, { name: to })
    return 0
  },
}

export const wait: Command = {
  paths: ['wait', 'container wait'],
  usage: 'CONTAINER [CONTAINER...]',
  summary: 'Block until one or more containers stop, then print their exit codes',
  flags: [],
  args: { min: 1 },
  run: (shell, names) =>
    forEach(shell, names, async (name) => {
      const { StatusCode } = await shell.connection.json<{ StatusCode: number }>({
        method: 'POST',
        path: `${containerPath(name)}/wait`,
      })
      shell.print(`${StatusCode}\n`)
    }),
}

export const top: Command = {
  paths: ['top', 'container top'],
  usage: 'CONTAINER [ps OPTIONS]',
  summary: 'Display the running processes of a container',
  flags: [],
  args: { min: 1 },
  interspersed: false,
  async run(shell, [name = '', ...options]) {
    const query = options.length > 0 ? { ps_args: options.join(' ') } : {}
    const { Titles, Processes } = await shell.connection.json<{ Titles: string[]; Processes: string[][] }>({
      method: 'GET',
      path: `${containerPath(name)}/top`,
      query,
    })
    shell.print(formatTable([Titles, ...Processes], 20))
    return 0
  },
}
