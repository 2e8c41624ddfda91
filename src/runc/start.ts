// `start`: the created process proceeds to the program.
import { isAlive } from '../linux/proc/process-stat.ts'
import type { Command } from './command.ts'
import { NotifySocket } from './notify-socket.ts'
import { startContainer } from './start-container.ts'
import { loadState, requireLock } from './state-store.ts'

export const start: Command = async ({ settings, args }) => {
  const [id = ''] = args
  loadState(settings.root, id)
  using _lock = await requireLock(settings.root, id)
  const record = loadState(settings.root, id)
  using notify = NotifySocket.open(settings.root, id, process.env['NOTIFY_SOCKET'])
  await startContainer(settings.root, record)
  await notify?.forwardReady(record.pid, () => isAlive(record.pid, record.startTicks))
  return 0
}
