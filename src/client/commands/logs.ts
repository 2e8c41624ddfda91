// logs: GET /containers/{id}/logs.
import type { Command } from '../command.ts'
import { makeFrameWriter } from '../connection/copy-streams.ts'
import { parseMoment } from '../options/moment.ts'
import { writeBytes } from '../terminal/streams.ts'
import { inspectContainer } from './container-calls.ts'

const MOMENT = 'timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'

export const logs: Command = {
  flags: [
    { name: 'details', kind: 'boolean', usage: 'Show extra details provided to logs' },
    { name: 'follow', short: 'f', kind: 'boolean', usage: 'Follow log output' },
    { name: 'since', kind: 'string', usage: `Show logs since ${MOMENT}` },
    {
      ...{ name: 'tail', short: 'n', kind: 'string', default: '"all"' },
      usage: 'Number of lines to show from the end of the logs',
    },
    { name: 'timestamps', short: 't', kind: 'boolean', usage: 'Show timestamps' },
    { name: 'until', kind: 'string', usage: `Show logs before a ${MOMENT}` },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    shell.interruption.listen()
    const { Id, Config } = await inspectContainer(shell, name)
    const body = await shell.connection.open({
      method: 'GET',
      path: `/containers/${Id}/logs`,
      query: {
        stdout: true,
        stderr: true,
        follow: flags.boolean('follow') || undefined,
        details: flags.boolean('details') || undefined,
        timestamps: flags.boolean('timestamps') || undefined,
        tail: flags.text('tail') ?? 'all',
        since: parseMoment(flags.text('since'), 'since'),
        until: parseMoment(flags.text('until'), 'until'),
      },
    })
    const writeFrames = makeFrameWriter({ stdout: true, stderr: true })
    for await (const chunk of body) await (Config.Tty ? writeBytes(1, chunk) : writeFrames(chunk))
    return 0
  },
}
