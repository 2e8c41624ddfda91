// image prune: POST /images/prune, after a question.
import type { Command } from '../command.ts'
import { formatSize } from '../format/moments.ts'
import { checkFilter } from '../options/filters.ts'
import { pruneFilters } from '../options/prune-filters.ts'
import { confirm } from '../terminal/confirm.ts'

const SURE = 'Are you sure you want to continue?'
const DANGLING = `WARNING! This will remove all dangling images.\n${SURE}`
const ALL = `WARNING! This will remove all images without at least one container associated to them.\n${SURE}`

export const imagePrune: Command = {
  flags: [
    { name: 'all', short: 'a', kind: 'boolean', usage: 'Remove all unused images, not just dangling ones' },
    {
      ...{ name: 'filter', kind: 'list', type: 'filter', check: checkFilter },
      usage: 'Provide filter values (e.g. "until=<timestamp>")',
    },
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Do not prompt for confirmation' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const all = flags.boolean('all') ?? false
    if (!flags.boolean('force') && !(await confirm(shell, all ? ALL : DANGLING))) return 0 // a no is what the user wanted, too
    const filters = pruneFilters([...flags.list('filter'), `dangling=${!all}`], shell.config)
    const report = await shell.connection.json<{
      ImagesDeleted: { Untagged?: string; Deleted?: string }[] | null
      SpaceReclaimed: number
    }>({ method: 'POST', path: '/images/prune', query: { filters } })
    const deleted = report.ImagesDeleted ?? []
    const lines = deleted.map(({ Untagged, Deleted }) => (Untagged ? `untagged: ${Untagged}` : `deleted: ${Deleted}`))
    if (lines.length > 0) shell.print(`Deleted Images:\n${lines.join('\n')}\n\n`)
    shell.print(`Total reclaimed space: ${formatSize(deleted.length > 0 ? report.SpaceReclaimed : 0)}\n`)
    return 0
  },
}
