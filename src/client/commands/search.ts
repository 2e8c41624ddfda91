// search: GET /images/search as a table.
import type { SearchResult } from '../../api/image-types.ts'
import { isFailure, withSubject } from '../../base/failure.ts'
import type { Command } from '../command.ts'
import { readAuthHeader } from '../connection/credentials.ts'
import { ellipsis } from '../format/ids.ts'
import { formatRows, type Row } from '../format/rows.ts'
import { parseFilters } from '../options/filters.ts'
import { FILTER } from '../options/format-flags.ts'

const TABLE = '{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}'
const HEADERS = { Name: 'NAME', Description: 'DESCRIPTION', StarCount: 'STARS', IsOfficial: 'OFFICIAL' }
const DESCRIPTION_LENGTH_MAX = 45
const AUTOMATED = `WARNING: the "is-automated" filter is deprecated, and searching for "is-automated=true" will not yield any results in future.\n`

export const search: Command = {
  flags: [
    FILTER,
    { name: 'format', kind: 'string', usage: 'Pretty-print search using a Go template' },
    { name: 'limit', kind: 'int', usage: 'Max number of search results' },
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [term = ''], flags) {
    shell.interruption.listen()
    const filters = parseFilters(flags.list('filter'))
    if (filters?.includes('"is-automated":')) shell.printError(AUTOMATED)
    const limit = flags.number('limit') ?? 0
    const results = await shell.connection.json<SearchResult[] | null>({
      method: 'GET',
      path: '/images/search',
      query: { term, limit: limit > 0 ? limit : undefined, filters },
      headers: await readAuthHeader(term, shell.config, shell.env),
    })
    const format = flags.text('format') || 'table'
    // As JSON a truth is a word, in a table a mark.
    const isJson = format === 'json' || /\{\{\s*json \.\s*\}\}/.test(format)
    const isWhole = flags.boolean('no-trunc') ?? false
    const rows = (results ?? []).map((result) => searchRow(result, isWhole, isJson))
    try {
      shell.print(formatRows(rows, { format, defaultTable: TABLE, headers: HEADERS, type: '*registry.searchContext' }))
    } catch (error) {
      throw isFailure(error) ? withSubject('template parsing error', error) : error
    }
    return 0
  },
}

function searchRow(result: SearchResult, isWhole: boolean, isJson: boolean): Row {
  const description = result.description.replaceAll('\n', ' ').replaceAll('\r', ' ')
  const isOfficial = isJson ? String(result.is_official) : result.is_official ? '[OK]' : ''
  return {
    Name: result.name,
    Description: isWhole ? description : ellipsis(description, DESCRIPTION_LENGTH_MAX),
    StarCount: String(result.star_count),
    IsOfficial: isOfficial,
  }
}
