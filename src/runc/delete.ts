// `delete`: what a container holds in the kernel and on disk goes.
import type { Command } from './command.ts'
import { deleteContainer } from './delete-container.ts'
import { matchingIds } from './matching-ids.ts'
import { doesNotExist, hasStateDirectory } from './state-store.ts'

export const deleteCommand: Command = async ({ settings, options, args, log }) => {
  const [pattern = ''] = args
  const isForced = options.flag('force')
  if (options.flag('regex')) {
    for (const id of matchingIds(settings.root, pattern)) await deleteContainer({ settings, log, id, isForced })
    return 0
  }
  if (!hasStateDirectory(settings.root, pattern)) {
    if (isForced) return 0
    throw doesNotExist()
  }
  await deleteContainer({ settings, log, id: pattern, isForced })
  return 0
}
