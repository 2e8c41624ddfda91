// `restore`: a container out of the files of a checkpoint, by criu. What it runs with is the bundle's, as for a new one.
import { resolve } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { Command, Invocation } from './command.ts'
import { checkConsole, writePidFile } from './creation-options.ts'
import { openCriu } from './criu/criu-program.ts'
import { readRestoreSettings } from './criu/settings.ts'
import { destroyContainer } from './delete-container.ts'
import { followRestored } from './follow-restored.ts'
import { loadBundle } from './load-bundle.ts'
import { type RestoredContainer, restoreContainer } from './restore-container.ts'
import { becomeSubreaper } from './subreaper.ts'
import { checkId, requireLock } from './state-store.ts'

export const restore: Command = async (invocation) => {
  const { settings, options, args, log } = invocation
  if (settings.isRootless) log.write('warning', 'runc checkpoint is untested with rootless containers')
  const detaches = options.flag('detach')
  const request = readRestoreSettings(options)
  const bundle = loadBundle(options)
  const { process: spec } = bundle.spec
  if (spec === undefined) throw new Failure('invalid-argument', 'process property must not be empty')
  const socket = checkConsole(options.text('console-socket'), spec.terminal === true, detaches)
  if (!options.flag('no-subreaper')) becomeSubreaper()
  const pidFile = options.text('pid-file')
  const restored = await restoreContainer({
    criu: await openCriu(settings.criu),
    settings,
    log,
    id: checkId(args[0] ?? ''),
    bundle,
    criuSettings: request,
    consoleSocket: socket === undefined ? undefined : resolve(socket),
    onRestored: (pid) => {
      if (pidFile !== undefined && pidFile !== '') writePidFile(resolve(pidFile), pid)
    },
  })
  return detaches ? 0 : await follow(invocation, restored)
}

async function follow({ settings, log }: Invocation, restored: RestoredContainer): Promise<number> {
  const { record, terminal } = restored
  try {
    return await followRestored(record.pid, terminal)
  } finally {
    using _lock = await requireLock(settings.root, record.id)
    await destroyContainer({ settings, log, id: record.id, isForced: true }, record)
  }
}
