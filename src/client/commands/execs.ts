// What Docker's client has no words for: the execs of a container listed, signalled, and attached to again.
import { type Command, ExitCode, forEach } from '../command.ts'
import { followSize, requireTerminal, runSession } from '../connection/stream-session.ts'
import { ellipsis, shortId } from '../format/ids.ts'
import { formatRows, type Row } from '../format/rows.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { FORMAT } from '../options/format-flags.ts'
import { isTerminal } from '../terminal/streams.ts'
import { containerPath } from './container-calls.ts'

interface ExecView {
  ID: string
  Running: boolean
  ExitCode: number | null
  Pid: number
  OpenStdin: boolean
  ProcessConfig: { tty: boolean; entrypoint: string; arguments: string[]; user?: string }
}

const TABLE = '{{.ID}}\t{{.Command}}\t{{.Status}}\t{{.Pid}}\t{{.Tty}}'
const HEADERS = { ID: 'EXEC ID', Command: 'COMMAND', Status: 'STATUS', Pid: 'PID', Tty: 'TTY', User: 'USER' }
const COMMAND_LENGTH_MAX = 30

export const execs: Command = {
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Show all execs (default shows those that have not ended)' },
    FORMAT,
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only display exec IDs' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    const views = await shell.connection.json<ExecView[]>({
      method: 'GET',
      path: `${containerPath(name)}/execs`,
      query: { all: flags.boolean('all') || undefined },
    })
    const isWhole = flags.boolean('no-trunc') ?? false
    const format = flags.text('format') || (flags.boolean('quiet') ? '{{.ID}}' : undefined)
    const rows = views.map((view) => rowOf(view, isWhole))
    shell.print(formatRows(rows, { format, defaultTable: TABLE, headers: HEADERS, type: '*formatter.ExecContext' }))
    return 0
  },
}

function rowOf({ ID, Running, ExitCode: code, Pid, ProcessConfig }: ExecView, isWhole: boolean): Row {
  const words = [ProcessConfig.entrypoint, ...ProcessConfig.arguments].join(' ')
  return {
    ID: isWhole ? ID : shortId(ID),
    Command: goQuote(isWhole ? words : ellipsis(words, COMMAND_LENGTH_MAX)),
    Status: Running ? 'Running' : code === null ? 'Created' : `Exited (${code})`,
    Pid,
    Tty: ProcessConfig.tty,
    User: ProcessConfig.user ?? '',
  }
}

export const execKill: Command = {
  flags: [{ name: 'signal', short: 's', kind: 'string', usage: 'Signal to send to the process' }],
  args: { min: 1 },
  run: (shell, ids, flags) =>
    forEach(shell, ids, async (id) => {
      const query = { signal: flags.text('signal') || undefined }
      await shell.connection.send({ method: 'POST', path: `/exec/${encodeURIComponent(id)}/kill`, query })
      return id
    }),
}

export const execAttach: Command = {
  flags: [
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching from the exec' },
    { name: 'no-stdin', kind: 'boolean', usage: 'Do not attach STDIN' },
  ],
  args: { min: 2, max: 2 },
  async run(shell, [name = '', prefix = ''], flags) {
    shell.interruption.listen()
    const { connection } = shell
    const path = `${containerPath(name)}/execs`
    const views = await connection.json<ExecView[]>({ method: 'GET', path })
    const [view, ...others] = views.filter(({ ID }) => ID.startsWith(prefix))
    if (view === undefined || others.length > 0)
      throw new ExitCode(1, `Error: ${view === undefined ? 'No such' : 'More than one such'} exec instance: ${prefix}`)
    const { tty } = view.ProcessConfig
    const stdin = view.OpenStdin && !flags.boolean('no-stdin')
    requireTerminal(stdin, tty)
    const detachKeys = flags.text('detach-keys') || shell.config.detachKeys || ''
    const query = { stdin, stdout: true, stderr: true, detachKeys: detachKeys || undefined }
    const stream = await connection.hijack({ method: 'POST', path: `/exec/${view.ID}/attach`, query })
    if (tty && isTerminal(0))
      followSize((h, w) => connection.send({ method: 'POST', path: `/exec/${view.ID}/resize`, query: { h, w } }))
    const end = await runSession(shell, stream, { stdin, tty, stdout: true, stderr: true, detachKeys })
    if (end === 'detached') throw new ExitCode(1, 'read escape sequence')
    const { ExitCode: code } = await connection.json<ExecView>({ method: 'GET', path: `/exec/${view.ID}/json` })
    return code ?? 0
  },
}
