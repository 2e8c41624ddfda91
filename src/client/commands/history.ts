// history: GET /images/{name}/history as a table.
import type { ImageHistoryItem } from '../../api/image-types.ts'
import { isFailure, withSubject } from '../../base/failure.ts'
import type { Command } from '../command.ts'
import { ellipsis, shortId } from '../format/ids.ts'
import { formatAge, formatLocalMoment, formatSizeShort } from '../format/moments.ts'
import { formatRows, type Row } from '../format/rows.ts'
import { FORMAT } from '../options/format-flags.ts'
import { platformObject } from '../options/platform.ts'

const HEADERS = {
  ...{ ID: 'IMAGE', CreatedSince: 'CREATED', CreatedAt: 'CREATED AT', CreatedBy: 'CREATED BY' },
  ...{ Size: 'SIZE', Comment: 'COMMENT' },
}
const COMMAND_LENGTH_MAX = 45
/** An image that says to be older than this century says nothing of its age. */
const OLDEST_SECONDS = Date.UTC(2000) / 1000

export const history: Command = {
  flags: [
    FORMAT,
    {
      name: 'human',
      short: 'H',
      kind: 'boolean',
      usage: 'Print sizes and dates in human readable format',
      default: 'true',
    },
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
    {
      ...{ name: 'platform', kind: 'string', since: '1.48' },
      usage: 'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only show image IDs' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [image = ''], flags) {
    const items = await shell.connection.json<ImageHistoryItem[] | null>({
      method: 'GET',
      path: `/images/${encodeURI(image)}/history`,
      query: { platform: platformObject(flags.text('platform') ?? '') },
    })
    const isHuman = flags.boolean('human') ?? true
    const isWhole = flags.boolean('no-trunc') ?? false
    const given = flags.text('format') || 'table'
    const format = given === 'table' && flags.boolean('quiet') ? '{{.ID}}' : given
    const created = isHuman ? '{{.CreatedSince}}' : '{{.CreatedAt}}'
    const defaultTable = `{{.ID}}\t${created}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`
    const rows = (items ?? []).map((item) => historyRow(item, isHuman, isWhole))
    try {
      shell.print(formatRows(rows, { format, defaultTable, headers: HEADERS, type: '*image.historyContext' }))
    } catch (error) {
      throw isFailure(error) ? withSubject('template parsing error', error) : error
    }
    return 0
  },
}

function historyRow(item: ImageHistoryItem, isHuman: boolean, isWhole: boolean): Row {
  const command = item.CreatedBy.replaceAll('\t', ' ')
  const createdAt = formatLocalMoment(item.Created)
  const age = item.Created <= OLDEST_SECONDS ? 'N/A' : formatAge(item.Created)
  return {
    ID: isWhole ? item.Id : shortId(item.Id),
    CreatedAt: createdAt,
    CreatedSince: isHuman ? age : createdAt,
    CreatedBy: isWhole ? command : ellipsis(command, COMMAND_LENGTH_MAX),
    Size: isHuman ? formatSizeShort(item.Size) : String(item.Size),
    Comment: item.Comment,
  }
}
