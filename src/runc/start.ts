// `start`: the created process proceeds to the program.
import type { Command } from './command.ts'
import { startContainer } from './start-container.ts'
import { loadState, requireLock } from './state-store.ts'

export const start: Command = async ({ settings, args }) => {
  const [id = ''] = args
  loadState(settings.root, id)
  using _lock = await requireLock(settings.root, id)
  await startContainer(settings.root, loadState(settings.root, id))
  return 0
}
