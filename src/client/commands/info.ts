// info: what the engine says of itself and its host.
import { messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { formatInfo } from '../format/info-text.ts'
import { goJson } from '../../base/go/go-json.ts'
import { compileTemplate } from '../../base/go/template.ts'
import { INSPECT_FORMAT } from '../options/format-flags.ts'
import { type CliPlugin, describePlugin } from '../plugins/cli-plugin.ts'
import { listPlugins, pluginDirectories } from '../plugins/find-plugins.ts'
import { CLIENT_VERSION } from '../version.ts'

type Info = Record<string, unknown>

export const info: Command = {
  flags: [{ ...INSPECT_FORMAT, short: 'f' }],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const format = flags.text('format') ?? ''
    const render = format === '' || format === 'json' ? undefined : compile(format)
    const plugins = await listPlugins(pluginDirectories(shell.configDirectory, shell.env))
    const client = clientInfo(shell, plugins)
    let described: Info | undefined
    let failure: unknown
    try {
      described = await shell.connection.json<Info>({ method: 'GET', path: '/info' })
    } catch (error) {
      failure = error
    }
    if (format === '') print(shell, described, plugins)
    else {
      const whole = { ...(described ?? {}), ClientInfo: client }
      shell.print(`${render === undefined ? goJson(whole) : execute(render, shell, whole)}\n`)
    }
    if (failure !== undefined) throw failure
    return 0
  },
}

function clientInfo(shell: Shell, plugins: readonly CliPlugin[]): Info {
  return {
    Debug: shell.isDebug,
    Version: CLIENT_VERSION,
    Os: process.platform,
    Arch: process.arch === 'x64' ? 'amd64' : process.arch,
    Context: shell.context,
    Plugins: plugins.map(describePlugin),
    Warnings: null,
  }
}

function print(shell: Shell, described: Info | undefined, plugins: readonly CliPlugin[]): void {
  shell.print(
    `Client:\n Version:    ${CLIENT_VERSION}\n Context:    ${shell.context}\n Debug Mode: ${shell.isDebug}\n${pluginLines(plugins)}`,
  )
  for (const { path, error } of plugins)
    if (error !== undefined) shell.printError(`WARNING: Plugin ${JSON.stringify(path)} is not valid: ${error}\n`)
  shell.print('\nServer:\n')
  if (described === undefined) return
  shell.print(`${formatInfo(described, shell.isDebug)}\n`)
  for (const warning of (described['Warnings'] as string[] | null) ?? []) shell.printError(`${warning}\n`)
}

function pluginLines(plugins: readonly CliPlugin[]): string {
  const lines = plugins.flatMap(({ name, path, error, metadata: { Version, Vendor = '', ShortDescription = '' } }) =>
    error === undefined
      ? [
          `  ${name}: ${ShortDescription} (${Vendor})`,
          ...(Version === undefined ? [] : [`    Version:  ${Version}`]),
          `    Path:     ${path}`,
        ]
      : [],
  )
  return plugins.length === 0 ? '' : `${[' Plugins:', ...lines].join('\n')}\n`
}

function compile(format: string): ReturnType<typeof compileTemplate> {
  try {
    return compileTemplate(format)
  } catch (error) {
    throw new ExitCode(64, `template parsing error: ${messageOf(error)}`)
  }
}

/** Docker ends the line that it could not fill. */
function execute(render: ReturnType<typeof compileTemplate>, shell: Shell, data: unknown): string {
  try {
    return render(data, { type: 'system.dockerInfo' })
  } catch (error) {
    shell.print('\n')
    throw new ExitCode(1, messageOf(error))
  }
}
