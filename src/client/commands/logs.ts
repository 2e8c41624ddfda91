// logs: GET /containers/{id}/logs.
import { Failure } from '../../base/failure.ts'
import { StdcopyDecoder } from '../../wire/stdcopy.ts'
import type { Command } from '../command.ts'
import { write } from '../connection/stream-session.ts'

export const logs: Command = {
  paths: ['logs', 'container logs'],
  usage: '[OPTIONS] CONTAINER',
  summary: 'Fetch the logs of a container',
  flags: [
    { name: 'details', kind: 'boolean', usage: 'Show extra details provided to logs' },
    { name: 'follow', short: 'f', kind: 'boolean', usage: 'Follow log output' },
    {
      name: 'since',
      kind: 'string',
      usage: 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
    {
      name: 'tail',
      short: 'n',
      kind: 'string',
      usage: 'Number of lines to show from the end of the logs',
      default: '"all"',
    },
    { name: 'timestamps', short: 't', kind: 'boolean', usage: 'Show timestamps' },
    {
      name: 'until',
      kind: 'string',
      usage: 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    const { connection } = shell
    const path = `/containers/${encodeURIComponent(name)}`
    const { Config } = await connection.json<{ Config: { Tty: boolean } }>({ method: 'GET', path: `${path}/json` })
    const response = await connection.open({
      method: 'GET',
      path: `${path}/logs`,
      query: {
        stdout: true,
        stderr: true,
        follow: flags.boolean('follow'),
        details: flags.boolean('details'),
        timestamps: flags.boolean('timestamps'),
        tail: flags.text('tail') ?? 'all',
        since: parseMoment(flags.text('since')),
        until: parseMoment(flags.text('until')),
      },
    })
    const decoder = new StdcopyDecoder()
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (Config.Tty) {
        await write(shell.stdout, chunk)
        continue
      }
      for (const { stream, payload } of decoder.decode(chunk))
        await write(stream === 'stdout' ? shell.stdout : shell.stderr, payload)
    }
    return 0
  },
}

const UNIT_SECONDS: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 0.001 }

/** Seconds since the epoch, from RFC 3339, such seconds, or a Go duration back from now. */
export function parseMoment(text: string | undefined, nowMs = Date.now()): string | undefined {
  if (text === undefined || text === '') return undefined
  if (/^\d+(?:\.\d+)?$/.test(text)) return text
  if (/^(?:\d+(?:\.\d+)?(?:ms|[hms]))+$/.test(text)) {
    let seconds = 0
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[hms])/g))
      seconds += Number(amount) * (UNIT_SECONDS[unit ?? 's'] ?? 1)
    return (nowMs / 1000 - seconds).toFixed(9)
  }
  const parsed = Date.parse(text)
  if (Number.isNaN(parsed))
    throw new Failure('invalid-argument', `failed to parse value as time or duration: ${JSON.stringify(text)}`)
  return (parsed / 1000).toFixed(9)
}
