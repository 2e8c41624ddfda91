// `checkpoint`: a running container into files, by criu; it ends then, unless it is told to go on.
import { Failure, messageOf } from '../base/failure.ts'
import { checkpointContainer } from './checkpoint-container.ts'
import type { Command } from './command.ts'
import { statusOf } from './container-status.ts'
import { openCriu } from './criu/criu-program.ts'
import { readCheckpointSettings } from './criu/settings.ts'
import { destroyContainer } from './delete-container.ts'
import { loadState, requireLock } from './state-store.ts'

export const checkpoint: Command = async ({ settings, options, args, log }) => {
  const [id = ''] = args
  if (settings.isRootless) log.write('warning', 'runc checkpoint is untested with rootless containers')
  loadState(settings.root, id)
  using _lock = await requireLock(settings.root, id)
  const record = loadState(settings.root, id)
  const status = statusOf(settings.root, record)
  if (status !== 'running' && status !== 'paused')
    throw new Failure('failed-precondition', `Container cannot be checkpointed in ${status} state`)
  const request = readCheckpointSettings(options)
  await checkpointContainer({ criu: await openCriu(settings.criu), log, record, settings: request })
  if (request.leaveRunning || request.preDump) return 0
  try {
    await destroyContainer({ settings, log, id, isForced: true }, record)
  } catch (error) {
    log.write('warning', messageOf(error)) // the images are whole; the container can be deleted later
  }
  return 0
}
