// stats: the use of resources by containers, again and again.
import { isFailure, messageOf, withSubject } from '../../base/failure.ts'
import { readJsonLines } from '../../wire/json-stream.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { formatRows, type Row } from '../format/rows.ts'
import { type Measurement, measure, rowOf } from '../format/stats-row.ts'
import { FORMAT } from '../options/format-flags.ts'
import { containerPath } from './container-calls.ts'

const TABLE = '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}'
const HEADERS = {
  ...{ Container: 'CONTAINER', Name: 'NAME', ID: 'CONTAINER ID', CPUPerc: 'CPU %', MemUsage: 'MEM USAGE / LIMIT' },
  ...{ MemPerc: 'MEM %', NetIO: 'NET I/O', BlockIO: 'BLOCK I/O', PIDs: 'PIDS' },
}
const INTERVAL_MS = 500

/** One container that is watched. */
interface Watched {
  name: string
  latest: Measurement | undefined
  failure: unknown
  first: Promise<void>
}

export const stats: Command = {
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Show all containers (default shows just running)' },
    FORMAT,
    { name: 'no-stream', kind: 'boolean', usage: 'Disable streaming stats and only pull the first result' },
    { name: 'no-trunc', kind: 'boolean', usage: 'Do not truncate output' },
  ],
  args: { min: 0 },
  async run(shell, names, flags) {
    shell.interruption.listen()
    const isStreaming = !flags.boolean('no-stream')
    const isAll = flags.boolean('all') ?? false
    const watched = new Map<string, Watched>()
    const add = (name: string) => {
      if (!watched.has(name)) watched.set(name, watch(shell, name, isStreaming))
    }
    if (names.length === 0) await followContainers(shell, isAll, isStreaming, add, (name) => void watched.delete(name))
    else for (const name of names) add(name)
    await Promise.all([...watched.values()].map(({ first }) => first))
    const failures = [...watched.values()].flatMap(({ failure }) => (failure === undefined ? [] : [messageOf(failure)]))
    if (names.length > 0 && failures.length > 0) throw new ExitCode(1, failures.join('\n'))
    const format = flags.text('format') || shell.config.statsFormat || 'table'
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
      const rows = [...watched.values()].map(({ name, latest }) =>
        rowOf(name, latest, flags.boolean('no-trunc') ?? false),
      )
      const text = render(rows, format)
      shell.print(isStreaming ? onScreen(text) : text)
      if (!isStreaming || (watched.size === 0 && names.length > 0)) return 0
    }
  },
}

function render(rows: readonly Row[], format: string): string {
  try {
    return formatRows(rows, { format, defaultTable: TABLE, headers: HEADERS, type: '*container.statsContext' })
  } catch (error) {
    throw isFailure(error) ? withSubject('template parsing error', error) : error
  }
}

/** From the top left, over what stood there: no flicker. */
function onScreen(text: string): string {
  const lines = `\x1b[H${text}`.split('\n').map((line) => `${line} \x1b[K\n`)
  return `\x1b[H${text}${lines.join('')}\x1b[J`
}

function watch(shell: Shell, name: string, isStreaming: boolean): Watched {
  const state: Watched = { name, latest: undefined, failure: undefined, first: Promise.resolve() }
  state.first = new Promise((resolve) => {
    const read = async () => {
      try {
        const query = { stream: isStreaming }
        const body = await shell.connection.open({ method: 'GET', path: `${containerPath(name)}/stats`, query })
        for await (const value of readJsonLines(body)) {
          state.latest = measure(value)
          resolve()
        }
      } catch (error) {
        state.failure = error
        state.latest = undefined
      }
      resolve()
    }
    void read()
  })
  return state
}

/** What runs now, and from now on whatever starts or ends. */
async function followContainers(
  shell: Shell,
  isAll: boolean,
  isStreaming: boolean,
  add: (id: string) => void,
  remove: (id: string) => void,
): Promise<void> {
  if (isStreaming) {
    const filters = JSON.stringify({ type: { container: true } })
    const body = await shell.connection.open({ method: 'GET', path: '/events', query: { filters } })
    const follow = async () => {
      for await (const value of readJsonLines(body)) {
        const { Action, Actor } = value as { Action: string; Actor: { ID: string } }
        const id = Actor.ID.slice(0, 12)
        if (Action === 'start' || (isAll && Action === 'create')) add(id)
        else if (Action === 'die' && !isAll) remove(id)
      }
    }
    follow().catch((error: unknown) => {
      shell.printError(`${messageOf(error)}\n`)
      process.exit(1)
    })
  }
  const containers = await shell.connection.json<{ Id: string }[]>({
    method: 'GET',
    path: '/containers/json',
    query: { all: isAll || undefined },
  })
  for (const { Id } of containers) add(Id.slice(0, 12))
}
