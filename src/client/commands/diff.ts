// diff: GET /containers/{id}/changes.
import type { Command } from '../command.ts'
import { containerPath } from './container-calls.ts'

const LETTERS: Readonly<Record<number, string>> = { 0: 'C', 1: 'A', 2: 'D' }

export const diff: Command = {
  flags: [],
  args: { min: 1, max: 1 },
  async run(shell, [container = '']) {
    const changes = await shell.connection.json<{ Path: string; Kind: number }[] | null>({
      method: 'GET',
      path: `${containerPath(container)}/changes`,
    })
    for (const { Path, Kind } of changes ?? []) shell.print(`${LETTERS[Kind] ?? ''} ${Path}\n`)
    return 0
  },
}
