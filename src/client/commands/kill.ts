// kill: a signal to the container's first process.
import { type Command, forEach } from '../command.ts'
import { killContainer } from './container-calls.ts'

export const kill: Command = {
  flags: [{ name: 'signal', short: 's', kind: 'string', usage: 'Signal to send to the container' }],
  args: { min: 1 },
  run: (shell, names, flags) =>
    forEach(shell, names, async (name) => {
      await killContainer(shell, name, flags.text('signal') ?? '')
      return name
    }),
}
