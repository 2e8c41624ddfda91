// plugin ls: GET /plugins as a table.
import type { Command } from '../command.ts'
import { ellipsis, shortId } from '../format/ids.ts'
import { compareNaturally } from '../format/natural-order.ts'
import { parseFilters } from '../options/filters.ts'
import { FILTER, FORMAT } from '../options/format-flags.ts'
import { type ListTexts, printList } from './list-objects.ts'

interface Plugin {
  Id: string
  Name: string
  Enabled: boolean
  PluginReference?: string
  Config: { Description: string }
}

const TEXTS: ListTexts = {
  table: '{{.ID}}\t{{.Name}}\t{{.Description}}\t{{.Enabled}}',
  raw: 'plugin_id: {{.ID}}\nname: {{.Name}}\ndescription: {{.Description}}\nenabled: {{.Enabled}}\n',
  rawQuiet: 'plugin_id: {{.ID}}',
  headers: { ID: 'ID', Name: 'NAME', Description: 'DESCRIPTION', Enabled: 'ENABLED', PluginReference: 'IMAGE' },
  type: '*plugin.pluginContext',
}
const DESCRIPTION_LENGTH_MAX = 45

export const pluginLs: Command = {
  flags: [
    { ...FILTER, usage: 'Provide filter values (e.g. "enabled=true")' },
    FORMAT,
    { name: 'no-trunc', kind: 'boolean', usage: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only display plugin IDs' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const filters = parseFilters(flags.list('filter'))
    const list = await shell.connection.json<Plugin[] | null>({ method: 'GET', path: '/plugins', query: { filters } })
    const isWhole = flags.boolean('no-trunc') ?? false
    const rows = [...(list ?? [])]
      .sort((a, b) => compareNaturally(a.Name, b.Name))
      .map(({ Id, Name, Enabled, PluginReference, Config }) => {
        const description = Config.Description.replace(/[\r\n]/g, '')
        return {
          ID: isWhole ? Id : shortId(Id),
          Name,
          Description: isWhole ? description : ellipsis(description, DESCRIPTION_LENGTH_MAX),
          Enabled,
          PluginReference: PluginReference ?? '',
        }
      })
    printList(shell, rows, flags, shell.config.pluginsFormat, TEXTS)
    return 0
  },
}
