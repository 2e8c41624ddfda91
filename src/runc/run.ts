// `run`: create and start, and with a terminal or without stay until the end.
import { closeSync } from 'node:fs'
import { withSubject } from '../base/failure.ts'
import type { Command, Invocation } from './command.ts'
import { type CreatedContainer, createContainer } from './create-container.ts'
import { readCreation } from './creation-options.ts'
import { destroyContainer } from './delete-container.ts'
import { followProcess } from './follow-process.ts'
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
  try {
    await startContainer(settings.root, record)
  } catch (error) {
    await end()
    throw error
  }
  if (detaches) {
    closeSync(init.channel)
    return 0
  }
  const status = await followProcess(init)
  closeSync(init.channel)
  if (!options.flag('keep')) await end()
  return status
}
