// ps: GET /containers/json as a table.
import { shortId } from '../../base/ids.ts'
import type { Command } from '../command.ts'
import { formatAge, formatSizeShort } from '../format/moments.ts'
import { type Columns, formatRows } from '../format/rows.ts'
import { parseFilters } from '../parse-filters.ts'

interface Port {
  IP?: string
  PrivatePort: number
  PublicPort?: number
  Type: string
}

interface Summary {
  Id: string
  Names: string[] | null
  Image: string
  ImageID: string
  Command: string
  Created: number
  Ports: Port[] | null
  Labels: Record<string, string> | null
  State: string
  Status: string
  SizeRw?: number
  SizeRootFs?: number
  Mounts?: { Name?: string; Source?: string }[]
  NetworkSettings?: { Networks?: Record<string, unknown> }
}

const COLUMNS: Columns<ReturnType<typeof rowOf>> = [
  { field: 'ID', header: 'CONTAINER ID' },
  { field: 'Image', header: 'IMAGE' },
  { field: 'Command', header: 'COMMAND' },
  { field: 'CreatedAt', header: 'CREATED AT', hidden: true },
  { field: 'RunningFor', header: 'CREATED' },
  { field: 'Status', header: 'STATUS' },
  { field: 'Ports', header: 'PORTS' },
  { field: 'Names', header: 'NAMES' },
  { field: 'State', header: 'STATE', hidden: true },
  { field: 'Size', header: 'SIZE', hidden: true },
  { field: 'Labels', header: 'LABELS', hidden: true },
  { field: 'Mounts', header: 'MOUNTS', hidden: true },
  { field: 'LocalVolumes', header: 'LOCAL VOLUMES', hidden: true },
  { field: 'Networks', header: 'NETWORKS', hidden: true },
]

export const ps: Command = {
  paths: ['ps', 'container ls', 'container list', 'container ps'],
  usage: '[OPTIONS]',
  summary: 'List containers',
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Show all containers (default shows just running)' },
    { name: 'filter', short: 'f', kind: 'list', type: 'filter', usage: 'Filter output based on conditions provided' },
    {
      name: 'format',
      kind: 'string',
      usage: "Format output using a custom template ('table', 'table TEMPLATE', 'json' or a Go template)",
    },
    {
      name: 'last',
      short: 'n',
      kind: 'int',
      usage: 'Show n last created containers (includes all states)',
      default: '-1',
    },
    { name: 'latest', short: 'l', kind: 'boolean', usage: 'Show the latest created container (includes all states)' },
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only display container IDs' },
    { name: 'size', short: 's', kind: 'boolean', usage: 'Display total file sizes' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const last = flags.boolean('latest') ? 1 : flags.number('last')
    const isWhole = flags.boolean('no-trunc') ?? false
    const summaries = await shell.connection.json<Summary[]>({
      method: 'GET',
      path: '/containers/json',
      query: {
        all: flags.boolean('all'),
        limit: last !== undefined && last > 0 ? last : undefined,
        size: flags.boolean('size'),
        filters: parseFilters(flags.list('filter')),
      },
    })
    if (flags.boolean('quiet') && !flags.has('format'))
      shell.print(summaries.map(({ Id }) => `${isWhole ? Id : shortId(Id)}\n`).join(''))
    else {
      const columns = flags.boolean('size')
        ? COLUMNS.map((column) => (column.field === 'Size' ? { ...column, hidden: false } : column))
        : COLUMNS
      shell.print(
        formatRows(
          summaries.map((summary) => rowOf(summary, isWhole)),
          columns,
          flags.text('format'),
        ),
      )
    }
    return 0
  },
}

const COMMAND_LENGTH_MAX = 20

function rowOf(summary: Summary, isWhole: boolean) {
  const command = isWhole ? summary.Command : ellipsis(summary.Command, COMMAND_LENGTH_MAX)
  const names = (summary.Names ?? [])
    .map((name) => name.replace(/^\//, ''))
    .filter((name) => isWhole || !name.includes('/'))
  const image =
    summary.Image === summary.ImageID && !isWhole
      ? shortId(summary.Image)
      : summary.Image === ''
        ? '<no image>'
        : summary.Image
  return {
    Command: JSON.stringify(command),
    CreatedAt: new Date(summary.Created * 1000)
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, ' +0000 UTC'),
    ID: isWhole ? summary.Id : shortId(summary.Id),
    Image: image,
    Labels: Object.entries(summary.Labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    LocalVolumes: String((summary.Mounts ?? []).filter(({ Name }) => Name).length),
    Mounts: (summary.Mounts ?? [])
      .map(({ Name, Source }) => ellipsis(Name || Source || '', isWhole ? Number.POSITIVE_INFINITY : 15))
      .join(','),
    Names: names.join(','),
    Networks: Object.keys(summary.NetworkSettings?.Networks ?? {}).join(','),
    Ports: formatPorts(summary.Ports ?? []),
    RunningFor: formatAge(summary.Created),
    Size: `${formatSizeShort(summary.SizeRw ?? 0)}${summary.SizeRootFs ? ` (virtual ${formatSizeShort(summary.SizeRootFs)})` : ''}`,
    State: summary.State,
    Status: summary.Status,
  }
}

function ellipsis(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text
}

/** `0.0.0.0:8080->80/tcp, 443/tcp`; ports of one protocol and address that follow each other become a range. */
export function formatPorts(ports: readonly Port[]): string {
  const sorted = [...ports].sort(
    (a, b) => a.PrivatePort - b.PrivatePort || a.Type.localeCompare(b.Type) || (a.IP ?? '').localeCompare(b.IP ?? ''),
  )
  const groups: { first: Port; last: Port }[] = []
  for (const port of sorted) {
    const group = groups.find(({ first, last }) => isNext(first, last, port))
    if (group === undefined) groups.push({ first: port, last: port })
    else group.last = port
  }
  return groups.map(formatGroup).join(', ')
}

function isNext(first: Port, last: Port, port: Port): boolean {
  const sameHost =
    first.IP === port.IP &&
    first.Type === port.Type &&
    (first.PublicPort === undefined) === (port.PublicPort === undefined)
  const publicFollows = port.PublicPort === undefined || port.PublicPort === (last.PublicPort ?? 0) + 1
  const aligned = first.PublicPort === undefined || first.PublicPort === first.PrivatePort
  return sameHost && aligned && port.PrivatePort === last.PrivatePort + 1 && publicFollows
}

function formatGroup({ first, last }: { first: Port; last: Port }): string {
  const range = (from: number, to: number) => (from === to ? String(from) : `${from}-${to}`)
  const inside = `${range(first.PrivatePort, last.PrivatePort)}/${first.Type}`
  if (first.PublicPort === undefined) return inside
  const host = first.IP?.includes(':') ? `[${first.IP}]` : (first.IP ?? '')
  return `${host}:${range(first.PublicPort, last.PublicPort ?? first.PublicPort)}->${inside}`
}
