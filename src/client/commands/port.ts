// port: what is published, from the container's description.
import { type Command, ExitCode } from '../command.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { compareNaturally } from '../format/natural-order.ts'
import { joinAddress } from '../format/ports.ts'
import { containerPath } from './container-calls.ts'

export const port: Command = {
  flags: [],
  args: { min: 1, max: 2 },
  async run(shell, [name = '', wanted = '']) {
    const { NetworkSettings } = await shell.connection.json<{
      NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[] | null> | null }
    }>({ method: 'GET', path: `${containerPath(name)}/json` })
    const ports = NetworkSettings.Ports ?? {}
    const selected = wanted === '' ? Object.entries(ports) : [['', requirePort(ports, wanted, name)] as const]
    const lines = selected.flatMap(([key, bindings]) =>
      (bindings ?? []).map(({ HostIp, HostPort }) => {
        const address = joinAddress(HostIp, HostPort)
        return wanted === '' ? `${key} -> ${address}` : address
      }),
    )
    lines.sort(compareNaturally)
    shell.print(lines.length === 0 ? '' : `${lines.join('\n')}\n`)
    return 0
  },
}

function requirePort<T>(ports: Record<string, T[] | null>, wanted: string, name: string): T[] {
  const [number = '', protocol] = wanted.split('/')
  if (!/^\d+$/.test(number))
    throw new ExitCode(
      1,
      `Error: invalid port (${number}): strconv.ParseUint: parsing ${goQuote(number)}: invalid syntax`,
    )
  if (Number(number) > 65535)
    throw new ExitCode(
      1,
      `Error: invalid port (${number}): strconv.ParseUint: parsing ${goQuote(number)}: value out of range`,
    )
  const bindings = ports[`${number}/${protocol || 'tcp'}`]
  if (!bindings || bindings.length === 0)
    throw new ExitCode(1, `Error: No public port '${wanted}' published for ${name}`)
  return bindings
}
