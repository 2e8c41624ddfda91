// rmi: DELETE /images/{name}.
import { type Command, forEach } from '../command.ts'

export const rmi: Command = {
  paths: ['rmi', 'image rm', 'image remove'],
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Remove one or more images',
  flags: [
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Force removal of the image' },
    { name: 'no-prune', kind: 'boolean', usage: 'Do not delete untagged parents' },
  ],
  args: { min: 1 },
  run: (shell, names, flags) =>
    forEach(shell, names, async (name) => {
      const query = { force: flags.boolean('force'), noprune: flags.boolean('no-prune') }
      const removed = await shell.connection.json<{ Untagged?: string; Deleted?: string }[]>({
        method: 'DELETE',
        path: `/images/${encodeURI(name)}`,
        query,
      })
      for (const { Untagged, Deleted } of removed)
        shell.print(Untagged === undefined ? `Deleted: ${Deleted}\n` : `Untagged: ${Untagged}\n`)
    }),
}
