// load: POST /images/load.
import { readJsonLines } from '../../wire/json-stream.ts'
import { type Command, ExitCode } from '../command.ts'
import { openInput, standardInput } from '../files/input.ts'
import { platformObject } from '../options/platform.ts'
import { showProgress } from '../pull-image.ts'
import { isTerminal, writeBytes } from '../terminal/streams.ts'

export const load: Command = {
  flags: [
    { name: 'input', short: 'i', kind: 'string', usage: 'Read from tar archive file, instead of STDIN' },
    {
      ...{ name: 'platform', kind: 'string', since: '1.48' },
      usage: 'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Suppress the load output' },
  ],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    shell.interruption.listen()
    const input = flags.text('input') ?? ''
    if (input === '' && isTerminal(0)) throw new ExitCode(1, 'requested load from stdin, but stdin is empty')
    const upload = input === '' ? standardInput() : openInput(input)
    const { headers, body } = await shell.connection.answer({
      method: 'POST',
      path: '/images/load',
      query: {
        quiet: (flags.boolean('quiet') ?? false) || !isTerminal(1),
        platform: platformObject(flags.text('platform') ?? ''),
      },
      headers: { 'Content-Type': 'application/x-tar' },
      upload,
    })
    if (headers.get('content-type') === 'application/json') await showProgress(readJsonLines(body), 1)
    else for await (const bytes of body) await writeBytes(1, bytes)
    return 0
  },
}
