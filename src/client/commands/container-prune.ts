// container prune: POST /containers/prune, after a question.
import type { Command } from '../command.ts'
import { formatSize } from '../format/moments.ts'
import { checkFilter } from '../options/filters.ts'
import { pruneFilters } from '../options/prune-filters.ts'
import { confirm } from '../terminal/confirm.ts'

const WARNING = 'WARNING! This will remove all stopped containers.\nAre you sure you want to continue?'

export const containerPrune: Command = {
  flags: [
    {
      ...{ name: 'filter', kind: 'list', type: 'filter', check: checkFilter },
      usage: 'Provide filter values (e.g. "until=<timestamp>")',
    },
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Do not prompt for confirmation' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    // A no is what the user wanted, too.
    if (!flags.boolean('force') && !(await confirm(shell, WARNING))) return 0
    const report = await shell.connection.json<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>({
      method: 'POST',
      path: '/containers/prune',
      query: { filters: pruneFilters(flags.list('filter'), shell.config) },
    })
    const deleted = report.ContainersDeleted ?? []
    if (deleted.length > 0) shell.print(`Deleted Containers:\n${deleted.join('\n')}\n\n`)
    shell.print(`Total reclaimed space: ${formatSize(deleted.length > 0 ? report.SpaceReclaimed : 0)}\n`)
    return 0
  },
}
