// version: the client's and the engine's.
import { isFailure } from '../../base/failure.ts'
import type { Command } from '../command.ts'
import { renderTemplate } from '../format/template.ts'
import { CLIENT_VERSION } from '../version.ts'

interface EngineVersion {
  Platform?: { Name: string }
  Version: string
  ApiVersion: string
  MinAPIVersion?: string
  GitCommit?: string
  GoVersion?: string
  Os: string
  Arch: string
  KernelVersion?: string
  Experimental?: boolean
  BuildTime?: string
  Components?: { Name: string; Version: string; Details?: Record<string, string> }[]
}

export const version: Command = {
  paths: ['version'],
  usage: '[OPTIONS]',
  summary: 'Show the Docker version information',
  flags: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      usage: "Format output using a custom template ('json' or a Go template)",
    },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const Client = {
      Version: CLIENT_VERSION,
      ApiVersion: '1.52',
      Os: process.platform,
      Arch: process.arch === 'x64' ? 'amd64' : process.arch,
      NodeVersion: process.versions.node,
    }
    let Server: EngineVersion | undefined
    let failure: unknown
    try {
      Client.ApiVersion = await shell.connection.version()
      Server = await shell.connection.json<EngineVersion>({ method: 'GET', path: '/version' })
    } catch (error) {
      if (!isFailure(error, 'unavailable')) throw error
      failure = error
    }
    const format = flags.text('format')
    if (format === 'json') shell.print(`${JSON.stringify({ Client, Server })}\n`)
    else if (format !== undefined) shell.print(`${renderTemplate(format, { Client, Server })}\n`)
    else shell.print(formatVersion(Client, Server))
    if (failure !== undefined) throw failure
    return 0
  },
}

function formatVersion(
  client: { Version: string; ApiVersion: string; Os: string; Arch: string; NodeVersion: string },
  server: EngineVersion | undefined,
): string {
  const lines = [
    'Client: Berth',
    ` Version:           ${client.Version}`,
    ` API version:       ${client.ApiVersion}`,
    ` OS/Arch:           ${client.Os}/${client.Arch}`,
  ]
  if (server !== undefined) {
    lines.push('', `Server: ${server.Platform?.Name ?? ''}`)
    for (const component of server.Components ?? []) {
      lines.push(` ${component.Name}:`, `  Version:          ${component.Version}`)
      if (component.Name === 'Engine')
        lines.push(
          `  API version:      ${server.ApiVersion} (minimum version ${server.MinAPIVersion ?? ''})`,
          `  OS/Arch:          ${server.Os}/${server.Arch}`,
        )
      for (const [key, value] of Object.entries(component.Details ?? {}))
        if (['GitCommit', 'KernelVersion'].includes(key)) lines.push(`  ${`${key}:`.padEnd(18)}${value}`)
    }
  }
  return `${lines.join('\n')}\n`
}
