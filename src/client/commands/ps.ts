// ps: GET /containers/json as a table.
import { isFailure } from '../../base/failure.ts'
import { type Command, ExitCode } from '../command.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { ellipsis, shortId } from '../format/ids.ts'
import { formatAge, formatLocalTime, formatSizeShort } from '../format/moments.ts'
import { formatPorts, type Port } from '../format/ports.ts'
import { formatRows, type Row } from '../format/rows.ts'
import { renderTemplate } from '../../base/go/template.ts'
import { TemplateError } from '../../base/go/template-error.ts'
import { parseFilters } from '../options/filters.ts'
import { FILTER, FORMAT } from '../options/format-flags.ts'
import { shownName } from '../options/reference.ts'

export interface ContainerSummary {
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
  Mounts?: { Name?: string; Source?: string; Driver?: string }[] | null
  NetworkSettings?: { Networks?: Record<string, unknown> | null } | null
  ImageManifestDescriptor?: { platform?: { os: string; architecture: string; variant?: string } } | null
}

const TYPE = '*formatter.ContainerContext'
const TABLE = '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}'
export const CONTAINER_RAW =
  'container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n'
export const SIZE_RAW = 'size: {{.Size}}\n'
export const CONTAINER_HEADERS = {
  ...{ ID: 'CONTAINER ID', Names: 'NAMES', Image: 'IMAGE', Command: 'COMMAND', CreatedAt: 'CREATED AT' },
  ...{ RunningFor: 'CREATED', Ports: 'PORTS', State: 'STATE', Status: 'STATUS', Size: 'SIZE', Labels: 'LABELS' },
  ...{ Mounts: 'MOUNTS', LocalVolumes: 'LOCAL VOLUMES', Networks: 'NETWORKS', Platform: 'PLATFORM' },
}

export const ps: Command = {
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Show all containers (default shows just running)' },
    FILTER,
    FORMAT,
    {
      ...{ name: 'last', short: 'n', kind: 'int', default: '-1' },
      usage: 'Show n last created containers (includes all states)',
    },
    { name: 'latest', short: 'l', kind: 'boolean', usage: 'Show the latest created container (includes all states)' },
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only display container IDs' },
    { name: 'size', short: 's', kind: 'boolean', usage: 'Display total file sizes' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const isQuiet = flags.boolean('quiet') ?? false
    const given = flags.text('format') || (isQuiet ? '' : shell.config.psFormat) || ''
    const needsSize = checkFormat(given)
    const size = flags.boolean('size') ?? needsSize
    const last = flags.number('last') ?? -1
    const limit = flags.boolean('latest') && last === -1 ? 1 : last
    const summaries = await shell.connection.json<ContainerSummary[]>({
      method: 'GET',
      path: '/containers/json',
      query: {
        all: flags.boolean('all') || undefined,
        limit: limit > 0 ? limit : undefined,
        size: size || undefined,
        filters: parseFilters(flags.list('filter')),
      },
    })
    if (isQuiet && given !== '' && given !== 'table' && given !== 'raw')
      shell.printError('WARNING: Ignoring custom format, because both --format and --quiet are set.\n')
    const isWhole = flags.boolean('no-trunc') ?? false
    const format = isQuiet ? '{{.ID}}' : given === 'raw' ? CONTAINER_RAW + (size ? SIZE_RAW : '') : given
    const defaultTable = flags.boolean('size') ? `${TABLE}\t{{.Size}}` : TABLE
    const rows = summaries.map((summary) => containerRow(summary, isWhole))
    shell.print(formatRows(rows, { format, defaultTable, headers: CONTAINER_HEADERS, type: TYPE }))
    return 0
  },
}

/** Docker tries the template before it asks; sizes cost the engine much, so they are asked for only where they are shown. */
function checkFormat(format: string): boolean {
  if (['', 'table', 'raw', 'json'].includes(format)) return false
  try {
    renderTemplate(format, emptyRow(), { type: TYPE })
  } catch (error) {
    if (!(error instanceof TemplateError) || !isFailure(error)) throw error
    throw new ExitCode(1, `failed to ${error.stage} template: ${error.message}`)
  }
  return /\.Size\b|json \./.test(format)
}

const COMMAND_LENGTH_MAX = 20
const MOUNT_LENGTH_MAX = 15

/** @param isWhole nothing is cut */
export function containerRow(summary: ContainerSummary, isWhole: boolean): Row {
  const cut = (text: string, lengthMax: number) => (isWhole ? text : ellipsis(text, lengthMax))
  const labels = summary.Labels ?? {}
  const platform = summary.ImageManifestDescriptor?.platform
  const mounts = summary.Mounts ?? []
  return {
    Command: goQuote(cut(summary.Command, COMMAND_LENGTH_MAX)),
    get CreatedAt() {
      return formatLocalTime(summary.Created) // time zones take milliseconds to load
    },
    ID: isWhole ? summary.Id : shortId(summary.Id),
    Image: imageOf(summary, isWhole),
    Label: (name: unknown) => labels[String(name)] ?? '',
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(','),
    LocalVolumes: String(mounts.filter(({ Driver }) => Driver === 'local').length),
    Mounts: mounts.map(({ Name, Source }) => cut(Name || Source || '', MOUNT_LENGTH_MAX)).join(','),
    Names: namesOf(summary.Names ?? [], isWhole),
    Networks: Object.keys(summary.NetworkSettings?.Networks ?? {}).join(','),
    Platform: platform ? [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/') : null,
    Ports: formatPorts(summary.Ports ?? []),
    RunningFor: formatAge(summary.Created),
    Size: `${formatSizeShort(summary.SizeRw ?? 0)}${summary.SizeRootFs ? ` (virtual ${formatSizeShort(summary.SizeRootFs)})` : ''}`,
    State: summary.State,
    Status: summary.Status,
  }
}

const emptyRow = () =>
  containerRow(
    {
      ...{ Id: '', Names: null, Image: '', ImageID: '', Command: '', Created: 0, Ports: null, Labels: null },
      ...{ State: '', Status: '' },
    },
    false,
  )

/** Names with a slash inside are links of other containers. */
function namesOf(names: readonly string[], isWhole: boolean): string {
  const bare = names.map((name) => name.slice(1))
  const own = isWhole ? undefined : bare.find((name) => !name.includes('/'))
  return own ?? bare.join(',')
}

function imageOf({ Image, ImageID }: ContainerSummary, isWhole: boolean): string {
  if (Image === '') return '<no image>'
  if (isWhole) return Image
  if (ImageID !== '' && shortId(Image) === shortId(ImageID)) return shortId(ImageID)
  return shownName(Image)
}
