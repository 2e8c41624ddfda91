// system df: GET /system/df, as a summary or with every thing that takes room.
import type { VolumeSummary } from '../../api/volume-types.ts'
import { isFailure, withSubject } from '../../base/failure.ts'
import { goJson } from '../../base/go/go-json.ts'
import { TemplateError } from '../../base/go/template-error.ts'
import { compileTemplate } from '../../base/go/template.ts'
import type { Command, Shell } from '../command.ts'
import { formatAge, formatSize } from '../format/moments.ts'
import { formatRows, isTable, readEscapes, type Row, withJson } from '../format/rows.ts'
import { FORMAT } from '../options/format-flags.ts'
import { IMAGE_HEADERS, imageNames, imageRaw, imageRow, type ImageSummary } from './images.ts'
import { CONTAINER_HEADERS, CONTAINER_RAW, SIZE_RAW, type ContainerSummary, containerRow } from './ps.ts'
import { VOLUME_HEADERS, VOLUME_RAW, volumeRow } from './volume.ts'

interface CacheRecord {
  ID: string
  Type: string
  Size: number
  InUse: boolean
  Shared: boolean
  UsageCount: number
  CreatedAt: string
  LastUsedAt: string | null
  Parents?: string[] | null
  Description?: string
}

interface DiskUsage {
  LayersSize: number
  Images: ImageSummary[] | null
  Containers: ContainerSummary[] | null
  Volumes: VolumeSummary[] | null
  BuildCache: CacheRecord[] | null
}

const TABLE = '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}'
const RAW =
  'type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n'
const HEADERS = { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' }

const IMAGE_TABLE =
  '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}'
const CONTAINER_TABLE =
  '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}'
const VOLUME_TABLE = '{{.Name}}\t{{.Links}}\t{{.Size}}'
const CACHE_TABLE =
  '{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}'
const CACHE_HEADERS = {
  ...{ ID: 'CACHE ID', CacheType: 'CACHE TYPE', Size: 'SIZE', CreatedSince: 'CREATED', LastUsedSince: 'LAST USED' },
  ...{ UsageCount: 'USAGE', Shared: 'SHARED' },
}

const CACHE_RAW =
  'build_cache_id: {{.ID}}\nparent_id: {{.Parent}}\nbuild_cache_type: {{.CacheType}}\ndescription: {{.Description}}\ncreated_at: {{.CreatedAt}}\ncreated_since: {{.CreatedSince}}\nlast_used_at: {{.LastUsedAt}}\nlast_used_since: {{.LastUsedSince}}\nusage_count: {{.UsageCount}}\nin_use: {{.InUse}}\nshared: {{.Shared}}\n'

/** The four kinds of things, one after another: the field of the value, what `raw` calls and shows each, and Go's name of its type. */
const KINDS = [
  ['Images', 'Image', imageRaw('digest: {{.Digest}}\n'), '*formatter.imageContext'],
  ['Containers', 'Container', CONTAINER_RAW + SIZE_RAW, '*formatter.ContainerContext'],
  ['Volumes', 'Volume', VOLUME_RAW, '*formatter.volumeContext'],
  ['BuildCache', 'Build Cache', CACHE_RAW, '*formatter.buildCacheContext'],
] as const
const THINGS_RAW = KINDS.map(
  ([field, title, format]) => `{{range .${field}}}type: ${title}\n${format}\n{{end -}}`,
).join('\n')

export const systemDf: Command = {
  flags: [FORMAT, { name: 'verbose', short: 'v', kind: 'boolean', usage: 'Show detailed information on space usage' }],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const usage = await shell.connection.json<DiskUsage>({ method: 'GET', path: '/system/df' })
    const format = flags.text('format') || 'table'
    try {
      if (flags.boolean('verbose')) printThings(shell, usage, format)
      else printSummary(shell, usage, format)
    } catch (error) {
      const isPlain = flags.boolean('verbose') && error instanceof TemplateError && error.stage === 'execute'
      throw isFailure(error) && !isPlain ? withSubject('template parsing error', error) : error
    }
    return 0
  },
}

function printSummary(shell: Shell, usage: DiskUsage, format: string): void {
  const rows = [imagesRow(usage), containersRow(usage), volumesRow(usage), cacheRow(usage)]
  const shown = format === 'raw' ? RAW : format
  const type = '*formatter.diskUsageImagesContext'
  shell.print(formatRows(rows, { format: shown, defaultTable: TABLE, headers: HEADERS, type }))
}

function summaryRow(
  type: string,
  counts: { total: number; active: number },
  bytes: { all: number; free: number },
): Row {
  const share = bytes.all > 0 ? ` (${Math.trunc((bytes.free * 100) / bytes.all)}%)` : ''
  return {
    Type: type,
    TotalCount: String(counts.total),
    Active: String(counts.active),
    Size: formatSize(bytes.all),
    Reclaimable: `${formatSize(bytes.free)}${share}`,
  }
}

function imagesRow({ Images, LayersSize }: DiskUsage): Row {
  const images = Images ?? []
  const known = images.filter(
    ({ Containers, Size, SharedSize }) => Containers !== 0 && Size !== -1 && SharedSize !== -1,
  )
  const used = sum(known.map(({ Size, SharedSize }) => Size - (SharedSize ?? 0)))
  const active = images.filter(({ Containers }) => Containers > 0).length
  const all = LayersSize ?? 0
  return summaryRow('Images', { total: images.length, active }, { all, free: all - used })
}

function containersRow({ Containers }: DiskUsage): Row {
  const containers = Containers ?? []
  const isActive = ({ State }: ContainerSummary) => ['running', 'paused', 'restarting'].includes(State)
  const bytesOf = (some: readonly ContainerSummary[]) => sum(some.map(({ SizeRw = 0 }) => SizeRw))
  const down = containers.filter((container) => !isActive(container))
  const counts = { total: containers.length, active: containers.length - down.length }
  return summaryRow('Containers', counts, { all: bytesOf(containers), free: bytesOf(down) })
}

function volumesRow({ Volumes }: DiskUsage): Row {
  const volumes = Volumes ?? []
  const isUsed = ({ UsageData }: VolumeSummary) => (UsageData?.RefCount ?? 0) > 0
  const bytesOf = (some: readonly VolumeSummary[]) =>
    sum(some.map(({ UsageData }) => Math.max(0, UsageData?.Size ?? 0)))
  const unused = volumes.filter(({ UsageData }) => UsageData?.RefCount === 0)
  const counts = { total: volumes.length, active: volumes.filter(isUsed).length }
  return summaryRow('Local Volumes', counts, { all: bytesOf(volumes), free: bytesOf(unused) })
}

function cacheRow({ BuildCache }: DiskUsage): Row {
  const records = BuildCache ?? []
  const own = records.filter(({ Shared }) => !Shared)
  const all = sum(own.map(({ Size }) => Size))
  const used = sum(own.filter(({ InUse }) => InUse).map(({ Size }) => Size))
  const counts = { total: records.length, active: records.filter(({ InUse }) => InUse).length }
  const row = summaryRow('Build Cache', counts, { all, free: all - used })
  return { ...row, Reclaimable: formatSize(all - used) } // the one without a share
}

/** Every thing in a table of its kind, or all of them as one value for a template. */
function printThings(shell: Shell, usage: DiskUsage, format: string): void {
  const isWhole = !isTable(format)
  const things = {
    Images: (usage.Images ?? []).map((image) => imageRow(image, firstName(image), isWhole)),
    // The image's own size is none of the container's.
    Containers: (usage.Containers ?? []).map((each) => containerRow({ ...each, SizeRootFs: 0 }, isWhole)),
    Volumes: (usage.Volumes ?? []).map(volumeRow),
    BuildCache: (usage.BuildCache ?? []).map(cacheThing),
  }
  if (format === 'table') return printTables(shell, things, usage)
  for (const [field, , , type] of KINDS) for (const row of things[field]) withJson(row, type)
  if (format === 'json') return shell.print(goJson(things))
  const template = format === 'raw' ? THINGS_RAW : format.replace(/^table/, '').trim()
  shell.print(compileTemplate(readEscapes(template))(things, { type: '*formatter.diskUsageContext' }))
}

interface Things {
  Images: Row[]
  Containers: Row[]
  Volumes: Row[]
  BuildCache: Row[]
}

function printTables(shell: Shell, { Images, Containers, Volumes, BuildCache }: Things, usage: DiskUsage): void {
  const table = (rows: readonly Row[], defaultTable: string, headers: Record<string, string>, type: string) =>
    formatRows(rows, { format: 'table', defaultTable, headers, type })
  const cacheBytes = sum((usage.BuildCache ?? []).filter(({ Shared }) => !Shared).map(({ Size }) => Size))
  shell.print(
    [
      `Images space usage:\n\n${table(Images, IMAGE_TABLE, IMAGE_HEADERS, '*formatter.imageContext')}`,
      `\nContainers space usage:\n\n${table(Containers, CONTAINER_TABLE, CONTAINER_HEADERS, '*formatter.ContainerContext')}`,
      `\nLocal Volumes space usage:\n\n${table(Volumes, VOLUME_TABLE, VOLUME_HEADERS, '*formatter.volumeContext')}`,
      `\nBuild cache usage: ${formatSize(cacheBytes)}\n\n`,
      table(BuildCache, CACHE_TABLE, CACHE_HEADERS, '*formatter.buildCacheContext'),
    ].join(''),
  )
}

/** Only the first tag is shown. */
function firstName(image: ImageSummary) {
  const [name] = imageNames(
    { ...image, RepoDigests: null, RepoTags: image.RepoTags?.slice(0, 1) ?? null },
    false,
    false,
  )
  return { repository: '<none>', tag: '<none>', ...name, digest: '' }
}

function cacheThing(record: CacheRecord): Row {
  const { ID, Type, Size, InUse, Shared, UsageCount, CreatedAt, LastUsedAt, Parents, Description = '' } = record
  const age = (moment: string) => formatAge(Math.floor(Date.parse(moment) / 1000))
  return {
    ID: InUse ? `${ID}*` : ID,
    CacheType: Type,
    Size: formatSize(Size),
    CreatedSince: age(CreatedAt),
    ...{ Parent: (Parents ?? []).join(', '), Description },
    CreatedAt: momentText(CreatedAt),
    LastUsedAt: LastUsedAt === null ? '' : momentText(LastUsedAt),
    LastUsedSince: LastUsedAt === null ? '' : age(LastUsedAt),
    ...{ UsageCount: String(UsageCount), InUse: String(InUse), Shared: String(Shared) },
  }
}

/** As Go prints a time in UTC: `2026-11-24 00:16:15.5 +0000 UTC`. */
function momentText(moment: string): string {
  return moment.replace('T', ' ').replace(/(?:\.0+|(\.\d*[1-9])0*)?Z$/, '$1 +0000 UTC')
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
