// rm: DELETE /containers/{id}.
import { isFailure } from '../../base/failure.ts'
import { type Command, forEach } from '../command.ts'

export const rm: Command = {
  paths: ['rm', 'container rm', 'container remove'],
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Remove one or more containers',
  flags: [
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Force the removal of a running container (uses SIGKILL)' },
    { name: 'link', short: 'l', kind: 'boolean', usage: 'Remove the specified link' },
    { name: 'volumes', short: 'v', kind: 'boolean', usage: 'Remove anonymous volumes associated with the container' },
  ],
  args: { min: 1 },
  run: (shell, names, flags) =>
    forEach(shell, names, async (name) => {
      const force = flags.boolean('force') ?? false
      try {
        const response = await shell.connection.open({
          method: 'DELETE',
          path: `/containers/${encodeURIComponent(name)}`,
          query: { force, link: flags.boolean('link'), v: flags.boolean('volumes') },
        })
        response.resume()
      } catch (error) {
        // What is not there is what was wanted: docker rm -f of a missing container says so and exits with 0.
        if (!(force && isFailure(error, 'not-found'))) throw error
        shell.printError(`${error.message}\n`)
        return
      }
      shell.print(`${name}\n`)
    }),
}
