// version: the client's and the engine's.
import { isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { NEWEST_API_VERSION } from '../connection/connection.ts'
import { goJson } from '../../base/go/go-json.ts'
import { formatTable } from '../format/table.ts'
import { compileTemplate } from '../../base/go/template.ts'
import { INSPECT_FORMAT } from '../options/format-flags.ts'
import { CLIENT_VERSION } from '../version.ts'

interface EngineVersion {
  Platform?: { Name: string }
  Version: string
  ApiVersion: string
  MinAPIVersion?: string
  Components?: { Name: string; Version: string; Details?: Record<string, string> }[]
  [key: string]: unknown
}

export const version: Command = {
  flags: [{ ...INSPECT_FORMAT, short: 'f' }],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const format = flags.text('format') ?? ''
    const render = format === '' || format === 'json' ? undefined : compile(format)
    const Client = {
      Version: CLIENT_VERSION,
      ApiVersion: NEWEST_API_VERSION,
      DefaultAPIVersion: NEWEST_API_VERSION,
      Os: process.platform,
      Arch: process.arch === 'x64' ? 'amd64' : process.arch,
      Context: shell.context,
    }
    let Server: EngineVersion | null = null
    let failure: unknown
    try {
      Client.ApiVersion = await shell.connection.version()
      Server = await shell.connection.json<EngineVersion>({ method: 'GET', path: '/version' })
    } catch (error) {
      if (!isFailure(error)) throw error
      failure = error
    }
    const engine = Server?.Components?.find(({ Name }) => Name === 'Engine')?.Details
    if (engine?.['BuildTime']) engine['BuildTime'] = formatBuildTime(engine['BuildTime'])
    if (format === 'json') shell.print(`${goJson({ Client, Server })}\n`)
    else if (render !== undefined) shell.print(`${execute(render, shell, { Client, Server })}\n`)
    else shell.print(formatVersion(Client, Server))
    if (failure !== undefined) throw failure
    return 0
  },
}

function compile(format: string): ReturnType<typeof compileTemplate> {
  try {
    return compileTemplate(format)
  } catch (error) {
    throw new ExitCode(64, `template parsing error: ${named(messageOf(error))}`)
  }
}

/** Docker gives this template a name, and ends the line that it could not fill. */
function execute(render: ReturnType<typeof compileTemplate>, shell: Shell, data: unknown): string {
  try {
    return render(data, { type: 'system.versionInfo' })
  } catch (error) {
    shell.print('\n')
    throw new ExitCode(1, named(messageOf(error)))
  }
}

function named(message: string): string {
  return message.replace('template: :', 'template: version:').replace('executing ""', 'executing "version"')
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const DAYS = 'Sun Mon Tue Wed Thu Fri Sat'.split(' ')

/** `Fri May 30 12:07:14 2025`, in the zone that it was written in. */
function formatBuildTime(text: string): string {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)/.exec(text)
  if (match === null) return text
  const [, year = '', month = '', day = '', time = ''] = match
  const weekday = DAYS[new Date(`${year}-${month}-${day}T00:00:00Z`).getUTCDay()]
  return `${weekday} ${MONTHS[Number(month) - 1]} ${String(Number(day)).padStart(2)} ${time} ${year}`
}

function formatVersion(
  client: { Version: string; ApiVersion: string; DefaultAPIVersion: string; Os: string; Arch: string; Context: string },
  server: EngineVersion | null,
): string {
  const downgraded =
    client.ApiVersion === client.DefaultAPIVersion ? '' : ` (downgraded from ${client.DefaultAPIVersion})`
  const rows: string[][] = [
    ['Client:'],
    [' Version:', client.Version],
    [' API version:', `${client.ApiVersion}${downgraded}`],
    [' OS/Arch:', `${client.Os}/${client.Arch}`],
    [' Context:', client.Context],
  ]
  if (server !== null) {
    const platform = server.Platform?.Name ?? ''
    rows.push([''], [`Server:${platform === '' ? '' : ` ${platform}`}`])
    for (const { Name, Version, Details = {} } of server.Components ?? []) {
      rows.push([` ${Name}:`])
      if (Name === 'Engine') {
        rows.push(
          ['  Version:', server.Version],
          ['  API version:', `${Details['ApiVersion'] ?? ''} (minimum version ${Details['MinAPIVersion'] ?? ''})`],
          ['  Go version:', Details['GoVersion'] ?? ''],
          ['  Git commit:', Details['GitCommit'] ?? ''],
          ['  Built:', Details['BuildTime'] ?? ''],
          ['  OS/Arch:', `${Details['Os'] ?? ''}/${Details['Arch'] ?? ''}`],
          ['  Experimental:', Details['Experimental'] ?? ''],
        )
        continue
      }
      rows.push(['  Version:', Version])
      for (const key of Object.keys(Details).sort()) rows.push([`  ${key}:`, Details[key] ?? ''])
    }
  }
  return formatTable(rows, 20, 1)
}
