// images: GET /images/json as a table.
import { shortId } from '../../base/ids.ts'
import type { Command } from '../command.ts'
import { formatAge, formatSizeShort } from '../format/moments.ts'
import { type Columns, formatRows } from '../format/rows.ts'
import { parseFilters } from '../parse-filters.ts'
import { splitReference } from '../pull-image.ts'

interface Summary {
  Id: string
  RepoTags: string[] | null
  RepoDigests: string[] | null
  Created: number
  Size: number
}

interface Row {
  Repository: string
  Tag: string
  Digest: string
  ID: string
  CreatedSince: string
  CreatedAt: string
  Size: string
}

const COLUMNS: Columns<Row> = [
  { field: 'Repository', header: 'REPOSITORY' },
  { field: 'Tag', header: 'TAG' },
  { field: 'Digest', header: 'DIGEST', hidden: true },
  { field: 'ID', header: 'IMAGE ID' },
  { field: 'CreatedSince', header: 'CREATED' },
  { field: 'CreatedAt', header: 'CREATED AT', hidden: true },
  { field: 'Size', header: 'SIZE' },
]

export const images: Command = {
  paths: ['images', 'image ls', 'image list'],
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'List images',
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Show all images (default hides intermediate images)' },
    { name: 'digests', kind: 'boolean', usage: 'Show digests' },
    { name: 'filter', short: 'f', kind: 'list', type: 'filter', usage: 'Filter output based on conditions provided' },
    {
      name: 'format',
      kind: 'string',
      usage: "Format output using a custom template ('table', 'table TEMPLATE', 'json' or a Go template)",
    },
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only show image IDs' },
  ],
  args: { min: 0, max: 1 },
  async run(shell, [reference], flags) {
    const filters = reference === undefined ? flags.list('filter') : [...flags.list('filter'), `reference=${reference}`]
    const isWhole = flags.boolean('no-trunc') ?? false
    const summaries = await shell.connection.json<Summary[]>({
      method: 'GET',
      path: '/images/json',
      query: { all: flags.boolean('all'), filters: parseFilters(filters) },
    })
    if (flags.boolean('quiet') && !flags.has('format')) {
      shell.print(
        summaries
          .flatMap(rowsOf(isWhole))
          .map(({ ID }) => `${ID}\n`)
          .join(''),
      )
      return 0
    }
    const columns = flags.boolean('digests')
      ? COLUMNS.map((column) => (column.field === 'Digest' ? { ...column, hidden: false } : column))
      : COLUMNS
    shell.print(formatRows(summaries.flatMap(rowsOf(isWhole)), columns, flags.text('format')))
    return 0
  },
}

/** One row for each tag; one of `<none>` for an image without. */
function rowsOf(isWhole: boolean): (summary: Summary) => Row[] {
  return (summary) => {
    const tags = summary.RepoTags?.length
      ? summary.RepoTags
      : [`${summary.RepoDigests?.[0]?.split('@')[0] ?? '<none>'}:<none>`]
    return tags.map((reference) => {
      const { name, tag } = splitReference(reference)
      const digest = summary.RepoDigests?.find((entry) => entry.startsWith(`${name}@`))?.split('@')[1]
      return {
        Repository: name,
        Tag: tag,
        Digest: digest ?? '<none>',
        ID: isWhole ? summary.Id : shortId(summary.Id),
        CreatedSince: formatAge(summary.Created),
        CreatedAt: new Date(summary.Created * 1000)
          .toISOString()
          .replace('T', ' ')
          .replace(/\.\d+Z$/, ' +0000 UTC'),
        Size: formatSizeShort(summary.Size),
      }
    })
  }
}
