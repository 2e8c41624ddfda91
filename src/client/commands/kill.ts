// kill: a signal to the container's first process.
import { type Command, forEach } from '../command.ts'
import { killContainer } from './run.ts'

export const kill: Command = {
  paths: ['kill', 'container kill'],
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Kill one or more running containers',
  flags: [{ name: 'signal', short: 's', kind: 'string', usage: 'Signal to send to the container' }],
  args: { min: 1 },
  run: (shell, names, flags) =>
    forEach(shell, names, async (name) => {
      await killContainer(shell, encodeURIComponent(name), flags.text('signal') ?? 'SIGKILL')
      shell.print(`${name}\n`)
    }),
}
