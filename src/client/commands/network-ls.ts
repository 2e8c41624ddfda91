// network ls: GET /networks as a table.
import type { Command } from '../command.ts'
import { shortId } from '../format/ids.ts'
import { compareNaturally } from '../format/natural-order.ts'
import type { Row } from '../format/rows.ts'
import { parseFilters } from '../options/filters.ts'
import { FILTER, FORMAT } from '../options/format-flags.ts'
import { type ListTexts, printList } from './list-objects.ts'

interface Summary {
  Id: string
  Name: string
  Driver: string
  Scope: string
  Created: string
  EnableIPv4?: boolean
  EnableIPv6: boolean
  Internal: boolean
  Labels: Record<string, string> | null
}

const TEXTS: ListTexts = {
  table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
  raw: 'network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n',
  rawQuiet: 'network_id: {{.ID}}',
  headers: {
    ...{ ID: 'NETWORK ID', Name: 'NAME', Driver: 'DRIVER', Scope: 'SCOPE', IPv4: 'IPV4', IPv6: 'IPV6' },
    ...{ Internal: 'INTERNAL', Labels: 'LABELS', CreatedAt: 'CREATED AT' },
  },
  type: '*network.networkContext',
}

export const networkLs: Command = {
  flags: [
    { ...FILTER, usage: 'Provide filter values (e.g. "driver=bridge")' },
    FORMAT,
    { name: 'no-trunc', kind: 'boolean', usage: 'Do not truncate the output' },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only display network IDs' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const filters = parseFilters(flags.list('filter'))
    const list = await shell.connection.json<Summary[]>({ method: 'GET', path: '/networks', query: { filters } })
    list.sort((a, b) => compareNaturally(a.Name, b.Name))
    const isWhole = flags.boolean('no-trunc') ?? false
    printList(
      shell,
      list.map((network) => rowOf(network, isWhole)),
      flags,
      shell.config.networksFormat,
      TEXTS,
    )
    return 0
  },
}

function rowOf(network: Summary, isWhole: boolean): Row {
  const labels = network.Labels ?? {}
  return {
    ID: isWhole ? network.Id : shortId(network.Id),
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    IPv4: String(network.EnableIPv4 ?? false),
    IPv6: String(network.EnableIPv6),
    Internal: String(network.Internal),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Label: (name: string) => labels[name] ?? '',
    CreatedAt: formatGoTime(network.Created),
  }
}

/** A moment of the engine's as Go prints it: `2026-11-30 12:00:00.123456789 +0000 UTC`. */
function formatGoTime(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+?)0*)?(Z|([+-]\d\d):(\d\d))$/.exec(text)
  if (match === null) return text
  const [, day, time, fraction, zone, hours, minutes] = match
  const offset = zone === 'Z' ? '+0000' : `${hours}${minutes}`
  return `${day} ${time}${fraction ? `.${fraction}` : ''} ${offset} ${zone === 'Z' ? 'UTC' : offset}`
}
