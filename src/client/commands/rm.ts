// rm: DELETE /containers/{id}.
import { Failure, isFailure } from '../../base/failure.ts'
import { type Command, forEach } from '../command.ts'
import { containerPath } from './container-calls.ts'

export const rm: Command = {
  flags: [
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Force the removal of a running container (uses SIGKILL)' },
    { name: 'link', short: 'l', kind: 'boolean', usage: 'Remove the specified link' },
    { name: 'volumes', short: 'v', kind: 'boolean', usage: 'Remove anonymous volumes associated with the container' },
  ],
  args: { min: 1 },
  run(shell, names, flags) {
    const force = flags.boolean('force') ?? false
    const query = {
      force: force || undefined,
      link: flags.boolean('link') || undefined,
      v: flags.boolean('volumes') || undefined,
    }
    return forEach(shell, names, async (given) => {
      const name = given.replace(/^\/+|\/+$/g, '')
      if (name === '') throw new Failure('invalid-argument', 'container name cannot be empty')
      try {
        await shell.connection.send({ method: 'DELETE', path: containerPath(name), query })
      } catch (error) {
        // What is not there is what was wanted: docker rm -f of a missing container says so and exits with 0.
        if (!(force && isFailure(error, 'not-found'))) throw error
        shell.printError(`${error.message}\n`)
        return undefined
      }
      return given
    })
  },
}
