// POST /containers/{id}/rename, and the rule for names.
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { publishContainerEvent } from './publish-event.ts'

const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
const NAME_LENGTH_MAX = 255

/** The name without its slash. Throws invalid-argument in Docker's words. */
export function parseContainerName(text: string): string {
  if (text.length > NAME_LENGTH_MAX || !NAME.test(text))
    throw new Failure(
      'invalid-argument',
      `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    )
  return text.replace(/^\//, '')
}

export async function renameContainer(engine: Engine, container: Container, newName: string): Promise<void> {
  if (newName === '') throw new Failure('invalid-argument', 'Neither old nor new names may be empty')
  await container.lock.run(() => {
    const oldName = container.name
    if (newName.replace(/^\//, '') === oldName)
      throw new Failure('invalid-argument', 'Renaming a container with the same name as its current name')
    try {
      engine.containers.rename(container, parseContainerName(newName.replace(/^\/?/, '/')))
    } catch (error) {
      if (error instanceof Failure)
        throw new Failure(error.code, `Error when allocating new name: ${error.message}`, { cause: error })
      throw error
    }
    container.save()
    publishContainerEvent(engine, container, 'rename', { oldName: `/${oldName}` })
  })
}
