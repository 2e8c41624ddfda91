// info: what the engine says of itself and its host.
import type { Command } from '../command.ts'
import { renderTemplate } from '../format/template.ts'
import { CLIENT_VERSION } from '../version.ts'

type Info = Record<string, unknown>

export const info: Command = {
  paths: ['info', 'system info'],
  usage: '[OPTIONS]',
  summary: 'Display system-wide information',
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
    const described = await shell.connection.json<Info>({ method: 'GET', path: '/info' })
    const format = flags.text('format')
    if (format === 'json') shell.print(`${JSON.stringify(described)}\n`)
    else if (format !== undefined) shell.print(`${renderTemplate(format, described)}\n`)
    else shell.print(formatInfo(described, shell.connection.host))
    for (const warning of (described['Warnings'] as string[] | null) ?? []) shell.printError(`${warning}\n`)
    return 0
  },
}

function formatInfo(info: Info, host: string): string {
  const text = (key: string) => String(info[key] ?? '')
  const words = (value: unknown) => (Array.isArray(value) ? value.join(' ') : '')
  const plugins = (info['Plugins'] ?? {}) as Record<string, unknown>
  const status = (info['DriverStatus'] ?? []) as [string, string][]
  const runtimes = Object.keys((info['Runtimes'] ?? {}) as object)
  return `${[
    'Client: Berth',
    ` Version:    ${CLIENT_VERSION}`,
    ` Host:       ${host}`,
    '',
    'Server:',
    ` Containers: ${text('Containers')}`,
    `  Running: ${text('ContainersRunning')}`,
    `  Paused: ${text('ContainersPaused')}`,
    `  Stopped: ${text('ContainersStopped')}`,
    ` Images: ${text('Images')}`,
    ` Server Version: ${text('ServerVersion')}`,
    ` Storage Driver: ${text('Driver')}`,
    ...status.map(([key, value]) => `  ${key}: ${value}`),
    ` Logging Driver: ${text('LoggingDriver')}`,
    ` Cgroup Driver: ${text('CgroupDriver')}`,
    ` Cgroup Version: ${text('CgroupVersion')}`,
    ' Plugins:',
    `  Volume: ${words(plugins['Volume'])}`,
    `  Network: ${words(plugins['Network'])}`,
    `  Log: ${words(plugins['Log'])}`,
    ` Runtimes: ${runtimes.join(' ')}`,
    ` Default Runtime: ${text('DefaultRuntime')}`,
    ` Kernel Version: ${text('KernelVersion')}`,
    ` Operating System: ${text('OperatingSystem')}`,
    ` OSType: ${text('OSType')}`,
    ` Architecture: ${text('Architecture')}`,
    ` CPUs: ${text('NCPU')}`,
    ` Total Memory: ${formatBinarySize(Number(info['MemTotal'] ?? 0))}`,
    ` Name: ${text('Name')}`,
    ` ID: ${text('ID')}`,
    ` Docker Root Dir: ${text('DockerRootDir')}`,
    ` Debug Mode: ${text('Debug')}`,
    ` Experimental: ${text('ExperimentalBuild')}`,
    ` Live Restore Enabled: ${text('LiveRestoreEnabled')}`,
  ].join('\n')}\n`
}

/** `23.5GiB`, four significant digits. */
function formatBinarySize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${Number(value.toPrecision(4))}${units[unit]}`
}
