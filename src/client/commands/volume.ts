// volume ls, rm, prune, update.
import type { VolumePruneReport, VolumeSummary } from '../../api/volume-types.ts'
import { isFailure, withSubject } from '../../base/failure.ts'
import { type Command, ExitCode, forEach } from '../command.ts'
import { isOlder } from '../connection/connection.ts'
import { formatSize } from '../format/moments.ts'
import { compareNaturally } from '../format/natural-order.ts'
import { formatRows, type Row } from '../format/rows.ts'
import { checkFilter, parseFilters } from '../options/filters.ts'
import { FORMAT } from '../options/format-flags.ts'
import { pruneFilters } from '../options/prune-filters.ts'
import { confirm } from '../terminal/confirm.ts'

const volumePath = (name: string) => `/volumes/${encodeURIComponent(name)}`

const TABLE = '{{.Driver}}\t{{.Name}}'
const CLUSTER_TABLE = 'table {{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}'
export const VOLUME_HEADERS = {
  ...{ ID: 'ID', Name: 'VOLUME NAME', Group: 'GROUP', Driver: 'DRIVER', Scope: 'SCOPE', Availability: 'AVAILABILITY' },
  ...{ Mountpoint: 'MOUNTPOINT', Labels: 'LABELS', Links: 'LINKS', Size: 'SIZE', Status: 'STATUS' },
}

export const volumeList: Command = {
  flags: [
    {
      ...{ name: 'cluster', kind: 'boolean', since: '1.42', needsSwarm: 'manager' },
      usage: 'Display only cluster volumes, and use cluster volume list formatting',
    },
    {
      ...{ name: 'filter', short: 'f', kind: 'list', type: 'filter', check: checkFilter },
      usage: 'Provide filter values (e.g. "dangling=true")',
    },
    FORMAT,
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only display volume names' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const { Volumes } = await shell.connection.json<{ Volumes: VolumeSummary[] | null }>({
      method: 'GET',
      path: '/volumes',
      query: { filters: parseFilters(flags.list('filter')) },
    })
    const isQuiet = flags.boolean('quiet') ?? false
    const isCluster = flags.boolean('cluster') ?? false
    const given = flags.text('format') || (isQuiet ? '' : shell.config.volumesFormat) || 'table'
    const format = isCluster && !isQuiet ? CLUSTER_TABLE : formatOf(isCluster ? 'table' : given, isQuiet)
    const rows = (Volumes ?? [])
      .filter((volume) => !isCluster || 'ClusterVolume' in volume)
      .sort((a, b) => compareNaturally(a.Name, b.Name))
      .map(volumeRow)
    try {
      shell.print(
        formatRows(rows, { format, defaultTable: TABLE, headers: VOLUME_HEADERS, type: '*formatter.volumeContext' }),
      )
    } catch (error) {
      throw isFailure(error) ? withSubject('template parsing error', error) : error
    }
    return 0
  },
}

function formatOf(given: string, isQuiet: boolean): string {
  if (given === 'table') return isQuiet ? '{{.Name}}' : 'table'
  if (given !== 'raw') return given
  return isQuiet ? 'name: {{.Name}}' : VOLUME_RAW
}

export const VOLUME_RAW = 'name: {{.Name}}\ndriver: {{.Driver}}\n'

const NOT_KNOWN = 'N/A'

export function volumeRow({ Name, Driver, Scope, Mountpoint, Labels, UsageData }: VolumeSummary): Row {
  const labels = Labels ?? {}
  return {
    ...{ Name, Driver, Scope, Mountpoint },
    Labels: Object.keys(labels)
      .sort()
      .map((key) => `${key}=${labels[key]}`)
      .join(','),
    Label: (name: string) => labels[name] ?? '',
    Links: UsageData === undefined ? NOT_KNOWN : String(UsageData.RefCount),
    Size: UsageData === undefined ? NOT_KNOWN : formatSize(UsageData.Size),
    ...{ Group: NOT_KNOWN, Availability: NOT_KNOWN, Status: NOT_KNOWN },
  }
}

export const volumeRemove: Command = {
  description: 'Remove one or more volumes. You cannot remove a volume that is in use by a container.',
  flags: [
    {
      ...{ name: 'force', short: 'f', kind: 'boolean', since: '1.25' },
      usage: 'Force the removal of one or more volumes',
    },
  ],
  args: { min: 1 },
  run: (shell, names, flags) =>
    forEach(shell, names, async (name) => {
      const query = { force: flags.boolean('force') || undefined }
      await shell.connection.send({ method: 'DELETE', path: volumePath(name), query })
      return name
    }),
}

const warning = (what: string) =>
  `WARNING! This will remove ${what} not used by at least one container.\nAre you sure you want to continue?`

/** From here on named volumes stay unless they are asked for. */
const ANONYMOUS_ONLY_SINCE = '1.42'

export const volumePrune: Command = {
  flags: [
    {
      ...{ name: 'all', short: 'a', kind: 'boolean', since: ANONYMOUS_ONLY_SINCE },
      usage: 'Remove all unused volumes, not just anonymous ones',
    },
    {
      ...{ name: 'filter', kind: 'list', type: 'filter', check: checkFilter },
      usage: 'Provide filter values (e.g. "label=<label>")',
    },
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Do not prompt for confirmation' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const isOld = isOlder(await shell.connection.version(), ANONYMOUS_ONLY_SINCE)
    const isAll = !isOld && flags.boolean('all') === true
    const given = flags.list('filter')
    if (isAll && [...given, ...(shell.config.pruneFilters ?? [])].some((entry) => entry.startsWith('all=')))
      throw new ExitCode(1, 'conflicting options: cannot specify both --all and --filter all=1')
    const question = warning(isAll || isOld ? 'all local volumes' : 'anonymous local volumes')
    // A no is what the user wanted, too.
    if (!flags.boolean('force') && !(await confirm(shell, question))) return 0
    const { VolumesDeleted, SpaceReclaimed } = await shell.connection.json<VolumePruneReport>({
      method: 'POST',
      path: '/volumes/prune',
      query: { filters: pruneFilters(isAll ? [...given, 'all=true'] : given, shell.config) },
    })
    const deleted = VolumesDeleted ?? []
    if (deleted.length > 0) shell.print(`Deleted Volumes:\n${deleted.join('\n')}\n\n`)
    shell.print(`Total reclaimed space: ${formatSize(deleted.length > 0 ? SpaceReclaimed : 0)}\n`)
    return 0
  },
}

interface ClusterVolume {
  ID: string
  Version: { Index?: number }
  Spec: Record<string, unknown>
}

export const volumeUpdate: Command = {
  flags: [
    {
      ...{ name: 'availability', kind: 'string', since: '1.42', needsSwarm: 'manager', default: '"active"' },
      usage: 'Cluster Volume availability ("active", "pause", "drain")',
    },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    const { ClusterVolume: volume } = await shell.connection.json<{ ClusterVolume?: ClusterVolume }>({
      method: 'GET',
      path: volumePath(name),
    })
    if (volume === undefined) throw new ExitCode(1, 'can only update cluster volumes')
    const Spec = flags.isGiven('availability')
      ? { ...volume.Spec, Availability: flags.text('availability') }
      : volume.Spec
    const query = { version: String(volume.Version.Index ?? 0) }
    await shell.connection.send({ method: 'PUT', path: volumePath(volume.ID), query, body: { Spec } })
    return 0
  },
}
