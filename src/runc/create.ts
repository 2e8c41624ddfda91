// `create`: the container's process exists and waits for `start`.
import { closeSync } from 'node:fs'
import { withSubject } from '../base/failure.ts'
import type { Command } from './command.ts'
import { createContainer } from './create-container.ts'
import { readCreation } from './creation-options.ts'

export const create: Command = async (invocation) => {
  try {
    const request = readCreation(invocation, true, process.env)
    const { init } = await createContainer({ ...request, keep: false })
    closeSync(init.channel)
    return 0
  } catch (error) {
    throw withSubject('runc create failed', error)
  }
}
