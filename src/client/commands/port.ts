// port: what is published, from the container's description.
import { type Command, ExitCode } from '../command.ts'

export const port: Command = {
  paths: ['port', 'container port'],
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  summary: 'List port mappings or a specific mapping for the container',
  flags: [],
  args: { min: 1, max: 2 },
  async run(shell, [name = '', wanted]) {
    const { NetworkSettings } = await shell.connection.json<{
      NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[] | null> | null }
    }>({ method: 'GET', path: `/containers/${encodeURIComponent(name)}/json` })
    const ports = NetworkSettings.Ports ?? {}
    const format = ({ HostIp, HostPort }: { HostIp: string; HostPort: string }) =>
      `${HostIp.includes(':') ? `[${HostIp}]` : HostIp}:${HostPort}`
    if (wanted !== undefined) {
      const key = wanted.includes('/') ? wanted : `${wanted}/tcp`
      const bindings = ports[key]
      if (!bindings || bindings.length === 0) throw new ExitCode(1, `no public port '${key}' published for ${name}`)
      shell.print(`${bindings.map(format).join('\n')}\n`)
      return 0
    }
    const lines = Object.entries(ports).flatMap(([key, bindings]) =>
      (bindings ?? []).map((binding) => `${key} -> ${format(binding)}`),
    )
    shell.print(lines.length === 0 ? '' : `${lines.sort().join('\n')}\n`)
    return 0
  },
}
