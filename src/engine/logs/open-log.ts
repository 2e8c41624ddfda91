// Makes what a container's log needs, before its task is created.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import type { TaskStdio } from '../../containerd/client/stdio-uri.ts'
import type { Container } from '../container/container.ts'
import { logSettings } from './log-settings.ts'

/** Undefined: nothing is logged. Throws invalid-argument in Docker's words. */
export function openLog({ record, directory }: Container): TaskStdio['log'] {
  try {
    const log = logSettings(record, directory)
    if (log !== undefined) mkdirSync(dirname(log.path), { recursive: true, mode: 0o700 })
    return log
  } catch (error) {
    throw cannotLog(error)
  }
}

/** In the words in which a start tells of it. */
export function cannotLog(error: unknown): Failure {
  return new Failure('invalid-argument', `failed to initialize logging driver: ${messageOf(error)}`, { cause: error })
}
