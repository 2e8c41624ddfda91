// checkpoint create, ls and rm: the requests of /containers/{id}/checkpoints.
import type { Command } from '../command.ts'
import type { Flag } from '../flags.ts'
import { formatRows } from '../format/rows.ts'
import { containerPath } from './container-calls.ts'

const DIRECTORY: Flag = { name: 'checkpoint-dir', kind: 'string', usage: 'Use a custom checkpoint storage directory' }

export const checkpointCreate: Command = {
  flags: [DIRECTORY, { name: 'leave-running', kind: 'boolean', usage: 'Leave the container running after checkpoint' }],
  args: { min: 2, max: 2 },
  async run(shell, [container = '', checkpoint = ''], flags) {
    await shell.connection.send({
      method: 'POST',
      path: `${containerPath(container)}/checkpoints`,
      body: {
        CheckpointID: checkpoint,
        CheckpointDir: flags.text('checkpoint-dir') ?? '',
        Exit: !flags.boolean('leave-running'),
      },
    })
    shell.print(`${checkpoint}\n`)
    return 0
  },
}

export const checkpointList: Command = {
  flags: [DIRECTORY],
  args: { min: 1, max: 1 },
  async run(shell, [container = ''], flags) {
    const checkpoints = await shell.connection.json<{ Name: string }[]>({
      method: 'GET',
      path: `${containerPath(container)}/checkpoints`,
      query: { dir: flags.text('checkpoint-dir') || undefined },
    })
    shell.print(
      formatRows(
        checkpoints.map(({ Name }) => ({ Name })),
        {
          format: undefined,
          defaultTable: '{{.Name}}',
          headers: { Name: 'CHECKPOINT NAME' },
          type: '*checkpoint.formatterContext',
        },
      ),
    )
    return 0
  },
}

export const checkpointRemove: Command = {
  flags: [DIRECTORY],
  args: { min: 2, max: 2 },
  async run(shell, [container = '', checkpoint = ''], flags) {
    await shell.connection.send({
      method: 'DELETE',
      path: `${containerPath(container)}/checkpoints/${encodeURIComponent(checkpoint)}`,
      query: { dir: flags.text('checkpoint-dir') || undefined },
    })
    return 0
  },
}
