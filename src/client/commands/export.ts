// export: GET /containers/{id}/export.
import { type Command, ExitCode } from '../command.ts'
import { writeWholeFile } from '../files/whole-file.ts'
import { isTerminal, writeBytes } from '../terminal/streams.ts'
import { containerPath } from './container-calls.ts'

export const exportContainer: Command = {
  flags: [{ name: 'output', short: 'o', kind: 'string', usage: 'Write to a file, instead of STDOUT' }],
  args: { min: 1, max: 1 },
  async run(shell, [container = ''], flags) {
    shell.interruption.listen()
    const output = flags.text('output') ?? ''
    if (output === '' && isTerminal(1))
      throw new ExitCode(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect')
    const open = () => shell.connection.open({ method: 'GET', path: `${containerPath(container)}/export` })
    if (output !== '') await writeWholeFile(output, 'failed to export container', open)
    else for await (const bytes of await open()) await writeBytes(1, bytes)
    return 0
  },
}
