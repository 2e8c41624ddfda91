// images: GET /images/json as a table.
import { isFailure, withSubject } from '../../base/failure.ts'
import { familiarName, parseReference } from '../../oci/parse-reference.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import type { FlagValues } from '../flags.ts'
import { shortId } from '../format/ids.ts'
import { formatAge, formatLocalTime, formatSize, formatSizeShort } from '../format/moments.ts'
import { formatRows, isTable, type Row } from '../format/rows.ts'
import { parseFilters } from '../options/filters.ts'
import { FILTER, FORMAT } from '../options/format-flags.ts'

export interface ImageSummary {
  Id: string
  RepoTags: string[] | null
  RepoDigests: string[] | null
  Created: number
  Size: number
  SharedSize: number
  Containers: number
}

const SINCE = '{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}'
const TABLE = `{{.Repository}}\t{{.Tag}}\t{{.ID}}\t${SINCE}\t{{.Size}}`
const TABLE_WITH_DIGEST = `{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t${SINCE}\t{{.Size}}`
export const imageRaw = (digest: string) =>
  `repository: {{ .Repository }}\ntag: {{.Tag}}\n${digest}image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n`
export const IMAGE_HEADERS = {
  ...{ ID: 'IMAGE ID', Repository: 'REPOSITORY', Tag: 'TAG', Digest: 'DIGEST', CreatedSince: 'CREATED' },
  ...{ CreatedAt: 'CREATED AT', Size: 'SIZE', Containers: 'CONTAINERS', VirtualSize: 'SIZE' },
  ...{ SharedSize: 'SHARED SIZE', UniqueSize: 'UNIQUE SIZE' },
}

/** Verbs of `docker image` that people take for arguments of `docker images`. */
const IMAGE_VERBS = 'build history import inspect list load ls prune pull push rm save tag'.split(' ')

export const images: Command = {
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Show all images (default hides intermediate images)' },
    { name: 'digests', kind: 'boolean', usage: 'Show digests' },
    FILTER,
    FORMAT,
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only show image IDs' },
    { name: 'tree', kind: 'boolean', usage: 'List multi-platform images as a tree (EXPERIMENTAL)', since: '1.47' },
  ],
  args: { min: 0, max: 1 },
  async run(shell, [name], flags, called) {
    const filters = name === undefined ? flags.list('filter') : [...flags.list('filter'), `reference=${name}`]
    if (flags.boolean('tree')) return printTree(shell, flags, parseFilters(filters))
    const summaries = await shell.connection.json<ImageSummary[]>({
      method: 'GET',
      path: '/images/json',
      query: { all: flags.boolean('all') || undefined, filters: parseFilters(filters) },
    })
    const isQuiet = flags.boolean('quiet') ?? false
    const given = flags.text('format') || (isQuiet ? '' : shell.config.imagesFormat) || 'table'
    const format = formatOf(given, isQuiet, flags.boolean('digests') ?? false)
    const isDigestShown = flags.boolean('digests') ?? false
    const needsDigest = isDigestShown || format.includes('{{.Digest}}')
    const isWhole = flags.boolean('no-trunc') ?? false
    const rows = summaries.flatMap((summary) =>
      imageNames(summary, needsDigest, isDigestShown).map((names) => imageRow(summary, names, isWhole)),
    )
    const defaultTable = isDigestShown ? TABLE_WITH_DIGEST : TABLE
    try {
      shell.print(formatRows(rows, { format, defaultTable, headers: IMAGE_HEADERS, type: '*formatter.imageContext' }))
    } catch (error) {
      throw isFailure(error) ? withSubject('template parsing error', error) : error
    }
    if (name !== undefined && summaries.length === 0 && called === 'images' && IMAGE_VERBS.includes(name))
      shell.printError(`\nNo images found matching "${name}": did you mean "berth image ${name}"?\n`)
    return 0
  },
}

const NOT_OF_A_TREE = [
  ['quiet', 'quiet'],
  ['no-trunc', 'no-trunc'],
  ['digests', 'show-digest'],
] as const

async function printTree(shell: Shell, flags: FlagValues, filters: string | undefined): Promise<number> {
  const refuse = (name: string) => new ExitCode(1, `--${name} is not yet supported with --tree`)
  for (const [flag, name] of NOT_OF_A_TREE) if (flags.boolean(flag)) throw refuse(name)
  if (flags.text('format')) throw refuse('format')
  const { printImageTree } = await import('./images-tree.ts')
  await printImageTree(shell, { all: flags.boolean('all') || undefined, filters })
  return 0
}

function formatOf(given: string, isQuiet: boolean, digests: boolean): string {
  if (given === 'table') return isQuiet ? '{{.ID}}' : 'table'
  if (given === 'raw') return isQuiet ? 'image_id: {{.ID}}' : imageRaw(digests ? 'digest: {{.Digest}}\n' : '')
  return digests && isTable(given) && !given.includes('{{.Digest}}') ? `${given}\t{{.Digest}}` : given
}

export interface ImageNames {
  repository: string
  tag: string
  digest: string
}

const NONE = '<none>'

/** One row for each tag (and digest, where those are shown); one of `<none>` for an image without. */
export function imageNames(
  { RepoTags, RepoDigests }: ImageSummary,
  needsDigest: boolean,
  isDigestShown: boolean,
): ImageNames[] {
  const tags = groupByName(RepoTags ?? [], ({ tag }) => tag)
  const digests = groupByName(RepoDigests ?? [], ({ digest }) => digest)
  const rows: ImageNames[] = []
  for (const [repository, ownTags] of tags) {
    const own = needsDigest ? (digests.get(repository) ?? []) : []
    digests.delete(repository)
    for (const tag of ownTags)
      for (const digest of own.length === 0 ? [NONE] : own) rows.push({ repository, tag, digest })
  }
  for (const [repository, own] of digests)
    for (const digest of isDigestShown ? own : ['']) rows.push({ repository, tag: NONE, digest })
  return rows.length === 0 ? [{ repository: NONE, tag: NONE, digest: NONE }] : rows
}

function groupByName(
  references: readonly string[],
  part: (reference: ReturnType<typeof parseReference>) => string | undefined,
): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const text of references) {
    if (text.startsWith('<none>')) continue
    const reference = parseReference(text)
    const value = part(reference)
    const name = familiarName(reference)
    if (value !== undefined) groups.set(name, [...(groups.get(name) ?? []), value])
  }
  return groups
}

/** What Go makes of a time that is not set. */
const YEAR_ONE_SECONDS = -62135596800

/** @param isWhole nothing is cut */
export function imageRow(summary: ImageSummary, { repository, tag, digest }: ImageNames, isWhole: boolean): Row {
  const { Id, Created, Size, SharedSize, Containers } = summary
  return {
    Repository: repository,
    Tag: tag,
    Digest: digest,
    ID: isWhole ? Id : shortId(Id),
    CreatedSince: Created === YEAR_ONE_SECONDS ? '' : formatAge(Created),
    get CreatedAt() {
      return formatLocalTime(Created)
    },
    Size: formatSizeShort(Size),
    Containers: Containers === -1 ? 'N/A' : String(Containers ?? 0),
    VirtualSize: formatSize(Size),
    SharedSize: SharedSize === -1 ? 'N/A' : formatSize(SharedSize ?? 0),
    UniqueSize: Size === -1 || SharedSize === -1 ? 'N/A' : formatSize(Size - (SharedSize ?? 0)),
  }
}
