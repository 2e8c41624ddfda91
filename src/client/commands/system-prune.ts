// system prune: the prunes of every noun, one after another, after a question that says what goes.
import { type Command, ExitCode, type Shell } from '../command.ts'
import { isOlder } from '../connection/connection.ts'
import { formatSize } from '../format/moments.ts'
import { compareNaturally } from '../format/natural-order.ts'
import { checkFilter } from '../options/filters.ts'
import { pruneFilters } from '../options/prune-filters.ts'
import { confirm } from '../terminal/confirm.ts'

/** Of the filters that are shown in the question. */
const SHOWN_FILTERS = ['label', 'label!', 'until']
const BUILD_CACHE_SINCE = '1.31'

interface Wish {
  isAll: boolean
  withVolumes: boolean
  withCache: boolean
  filters: readonly string[]
}

export const systemPrune: Command = {
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Remove all unused images not just dangling ones' },
    {
      ...{ name: 'filter', kind: 'list', type: 'filter', check: checkFilter, since: '1.28' },
      usage: 'Provide filter values (e.g. "label=<key>=<value>")',
    },
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Do not prompt for confirmation' },
    { name: 'volumes', kind: 'boolean', usage: 'Prune anonymous volumes' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const wish: Wish = {
      isAll: flags.boolean('all') ?? false,
      withVolumes: flags.boolean('volumes') ?? false,
      withCache: !isOlder(await shell.connection.version(), BUILD_CACHE_SINCE),
      filters: flags.list('filter'),
    }
    if (wish.withVolumes && wish.filters.some((filter) => filter.startsWith('until=')))
      throw new ExitCode(1, 'ERROR: The "until" filter is not supported with "--volumes"')
    if (!flags.boolean('force') && !(await confirm(shell, question(shell, wish)))) return 0 // a no is what the user wanted, too
    let reclaimed = 0
    for (const step of stepsOf(wish)) reclaimed += await prune(shell, step)
    shell.print(`Total reclaimed space: ${formatSize(reclaimed)}\n`)
    return 0
  },
}

function question(shell: Shell, { isAll, withVolumes, withCache, filters }: Wish): string {
  const warnings = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(withVolumes ? ['all anonymous volumes not used by at least one container'] : []),
    isAll ? 'all images without at least one container associated to them' : 'all dangling images',
    ...(withCache ? [isAll ? 'all build cache' : 'unused build cache'] : []),
  ]
  const shown = namesOf(pruneFilters(filters, shell.config)).sort(compareNaturally)
  const filtered = ['\n  Items to be pruned will be filtered with:', ...shown.map((filter) => `\n  - ${filter}`)]
  return `WARNING! This will remove:${warnings.map((warning) => `\n  - ${warning}`).join('')}\n${shown.length > 0 ? `${filtered.join('')}\n` : ''}\nAre you sure you want to continue?`
}

/** `label=a=b` of the filters as they are sent. */
function namesOf(sent: string | undefined): string[] {
  const filters = JSON.parse(sent ?? '{}') as Record<string, Record<string, boolean>>
  return SHOWN_FILTERS.flatMap((name) => Object.keys(filters[name] ?? {}).map((value) => `${name}=${value}`))
}

interface Step {
  path: string
  filters: readonly string[]
  query?: Record<string, true>
  title: string
  linesOf(report: Report): readonly string[]
  /** Space is told although nothing is listed: of networks there is none. */
  hasNoSpace?: true
}

interface Report {
  ContainersDeleted?: string[] | null
  NetworksDeleted?: string[] | null
  VolumesDeleted?: string[] | null
  ImagesDeleted?: { Untagged?: string; Deleted?: string }[] | null
  CachesDeleted?: string[] | null
  SpaceReclaimed?: number
}

function stepsOf({ isAll, withVolumes, withCache, filters }: Wish): Step[] {
  const images = ({ ImagesDeleted }: Report) =>
    (ImagesDeleted ?? []).map(({ Untagged, Deleted }) => (Untagged ? `untagged: ${Untagged}` : `deleted: ${Deleted}`))
  const volumes: Step = {
    ...{ path: '/volumes/prune', filters, title: 'Deleted Volumes' },
    linesOf: ({ VolumesDeleted }) => VolumesDeleted ?? [],
  }
  const cache: Step = {
    ...{ path: '/build/prune', filters, title: 'Deleted build cache objects' },
    ...(isAll ? { query: { all: true } } : {}),
    linesOf: ({ CachesDeleted }) => CachesDeleted ?? [],
  }
  return [
    {
      ...{ path: '/containers/prune', filters, title: 'Deleted Containers' },
      linesOf: ({ ContainersDeleted }) => ContainersDeleted ?? [],
    },
    {
      ...{ path: '/networks/prune', filters, title: 'Deleted Networks', hasNoSpace: true },
      linesOf: ({ NetworksDeleted }) => NetworksDeleted ?? [],
    },
    ...(withVolumes ? [volumes] : []),
    { path: '/images/prune', filters: [...filters, `dangling=${!isAll}`], title: 'Deleted Images', linesOf: images },
    ...(withCache ? [cache] : []),
  ]
}

/** Prints what went; resolves with the bytes that it took. */
async function prune(shell: Shell, { path, filters, query, title, linesOf, hasNoSpace }: Step): Promise<number> {
  const report = await shell.connection.json<Report>({
    method: 'POST',
    path,
    query: { ...query, filters: pruneFilters(filters, shell.config) },
  })
  const lines = linesOf(report)
  if (lines.length === 0) return 0
  shell.print(`${title}:\n${lines.join('\n')}\n\n`)
  return hasNoSpace ? 0 : (report.SpaceReclaimed ?? 0)
}
