// `run`: create and start, and with a terminal or without stay until the end.
import { closeSync } from 'node:fs'
import { messageOf, withSubject } from '../base/failure.ts'
import { isAlive } from '../linux/proc/process-stat.ts'
import type { Command, Invocation } from './command.ts'
import { type CreatedContainer, createContainer } from './create-container.ts'
import { readCreation } from './creation-options.ts'
import { destroyContainer } from './delete-container.ts'
import { followProcess } from './follow-process.ts'
import { NotifySocket } from './notify-socket.ts'
import { startContainer } from './start-container.ts'
import { requireLock } from './state-store.ts'

export const run: Command = async (invocation) => {
  const detaches = invocation.options.flag('detach')
  try {
    const request = readCreation(invocation, detaches, process.env)
    const created = await createContainer({ ...request, keep: !detaches })
    return await runCreated(invocation, created, detaches)
  } catch (error) {
    throw withSubject('runc run failed', error)
  }
}

async function runCreated(invocation: Invocation, created: CreatedContainer, detaches: boolean): Promise<number> {
  const { settings, log, options } = invocation
  const { record, init } = created
  const end = async () => {
    using _lock = await requireLock(settings.root, record.id)
    await destroyContainer({ settings, log, id: record.id, isForced: true }, record)
  }
  using notify = NotifySocket.open(settings.root, record.id, process.env['NOTIFY_SOCKET'])
  try {
    await startContainer(settings.root, record)
  } catch (error) {
    await end()
    throw error
  }
  const isRunning = () => isAlive(record.pid, record.startTicks)
  if (detaches) {
    closeSync(init.channel)
    await notify?.forwardReady(record.pid, isRunning)
    return 0
  }
  const forwarded = notify?.forwardReady(record.pid, isRunning).catch((error: unknown) => {
    log.write('error', `NOTIFY_SOCKET: ${messageOf(error)}`) // the container itself is well
  })
  const status = await followProcess(init)
  await forwarded
  closeSync(init.channel)
  if (!options.flag('keep')) await end()
  return status
}
