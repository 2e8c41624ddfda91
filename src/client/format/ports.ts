// Published ports as `docker ps` shows them.

export interface Port {
  IP?: string
  PrivatePort: number
  PublicPort?: number
  Type: string
}

/** Ports that follow each other under one address and keep their number become a range: `0.0.0.0:80-81->80-81/tcp`. */
export function formatPorts(ports: readonly Port[]): string {
  const groups = new Map<string, { first: number; last: number }>()
  const finished: string[] = []
  const mapped: string[] = []
  for (const port of [...ports].sort(comparePorts)) {
    const { IP = '', PrivatePort: current, Type } = port
    if (IP !== '' && port.PublicPort !== current) {
      mapped.push(`${joinAddress(IP, String(port.PublicPort ?? 0))}->${current}/${Type}`)
      continue
    }
    const key = IP === '' ? Type : `${IP}/${Type}`
    const group = groups.get(key)
    if (group !== undefined && current === group.last + 1) group.last = current
    else {
      if (group !== undefined) finished.push(formatGroup(key, group))
      groups.set(key, { first: current, last: current })
    }
  }
  const open = [...groups].map(([key, group]) => formatGroup(key, group))
  return [...finished, ...open, ...mapped].join(', ')
}

/** IPv6 addresses in brackets. */
export function joinAddress(ip: string, port: string): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`
}

function comparePorts(a: Port, b: Port): number {
  const byText = (x = '', y = '') => (x < y ? -1 : x > y ? 1 : 0)
  return (
    a.PrivatePort - b.PrivatePort ||
    byText(a.IP, b.IP) ||
    (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
    byText(a.Type, b.Type)
  )
}

function formatGroup(key: string, { first, last }: { first: number; last: number }): string {
  const range = first === last ? String(first) : `${first}-${last}`
  const slash = key.indexOf('/')
  if (slash < 0) return `${range}/${key}`
  return `${joinAddress(key.slice(0, slash), range)}->${range}/${key.slice(slash + 1)}`
}
