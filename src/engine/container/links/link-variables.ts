// What a container is told of one it is linked to: the variables of `--link`, as Docker has them. Pure.
export interface LinkedContainer {
  alias: string
  /** Of the link: `/parent/alias`. */
  name: string
  /** '' while it has none. */
  address: string
  env: readonly string[]
  /** `80/tcp` */
  exposedPorts: readonly string[]
}

interface Port {
  number: number
  protocol: string
}

/** Set while the image was built; they say nothing of what the other one serves. */
const LEFT_OUT = ['HOME', 'PATH']

/** `DB_PORT_5432_TCP_ADDR=172.17.0.2` and its like, in Docker's order. */
export function linkVariables({ alias, name, address, env, exposedPorts }: LinkedContainer): string[] {
  const prefix = alias
    .slice(alias.lastIndexOf('/') + 1)
    .toUpperCase()
    .replaceAll('-', '_')
  const ports = exposedPorts.map(parsePort).sort(compare)
  const inherited = env.flatMap((variable) => {
    const equals = variable.indexOf('=')
    if (equals < 0 || LEFT_OUT.includes(variable.slice(0, equals))) return []
    return [`${prefix}_ENV_${variable}`]
  })
  return [...portVariables(prefix, address, ports), `${prefix}_NAME=${name}`, ...inherited]
}

function portVariables(prefix: string, address: string, ports: readonly Port[]): string[] {
  const [first] = ports
  if (first === undefined) return []
  const url = ({ number, protocol }: Port) => `${protocol}://${address}:${number}`
  const key = ({ number, protocol }: Port) => `${prefix}_PORT_${number}_${protocol.toUpperCase()}`
  const variables = [`${prefix}_PORT=${url(first)}`]
  let [start, end] = [first, first]
  for (const [index, port] of ports.entries()) {
    variables.push(
      `${key(port)}=${url(port)}`,
      `${key(port)}_ADDR=${address}`,
      `${key(port)}_PORT=${port.number}`,
      `${key(port)}_PROTO=${port.protocol}`,
    )
    if (port.number === end.number + 1 && port.protocol === start.protocol) {
      end = port
      if (index < ports.length - 1) continue
    }
    if (end !== start)
      variables.push(
        `${key(start)}_START=${url(start)}`,
        `${key(start)}_PORT_START=${start.number}`,
        `${key(start)}_END=${url(end)}`,
        `${key(start)}_PORT_END=${end.number}`,
      )
    start = end = port
  }
  return variables
}

function parsePort(text: string): Port {
  const [number = '', protocol = 'tcp'] = text.split('/')
  return { number: Number(number), protocol: protocol.toLowerCase() }
}

/** TCP comes first. */
function compare(a: Port, b: Port): number {
  if (a.protocol === b.protocol) return a.number - b.number
  if (a.protocol === 'tcp' || b.protocol === 'tcp') return a.protocol === 'tcp' ? -1 : 1
  return a.protocol < b.protocol ? -1 : 1
}
