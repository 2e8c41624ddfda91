// save: GET /images/get.
import { type Command, ExitCode } from '../command.ts'
import { writeWholeFile } from '../files/whole-file.ts'
import { platformObject } from '../options/platform.ts'
import { isTerminal, writeBytes } from '../terminal/streams.ts'

export const save: Command = {
  flags: [
    { name: 'output', short: 'o', kind: 'string', usage: 'Write to a file, instead of STDOUT' },
    {
      ...{ name: 'platform', kind: 'string', since: '1.48' },
      usage: 'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
  ],
  args: { min: 1 },
  async run(shell, names, flags) {
    shell.interruption.listen()
    const platform = platformObject(flags.text('platform') ?? '')
    const output = flags.text('output') ?? ''
    if (output === '' && isTerminal(1))
      throw new ExitCode(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect')
    const open = () => shell.connection.open({ method: 'GET', path: '/images/get', query: { names, platform } })
    if (output !== '') await writeWholeFile(output, 'failed to save image', open)
    else for await (const bytes of await open()) await writeBytes(1, bytes)
    return 0
  },
}
