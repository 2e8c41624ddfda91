// rmi: DELETE /images/{name}.
import { isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode } from '../command.ts'
import { parsePlatform } from '../options/platform.ts'

export const rmi: Command = {
  flags: [
    { name: 'force', short: 'f', kind: 'boolean', usage: 'Force removal of the image' },
    { name: 'no-prune', kind: 'boolean', usage: 'Do not delete untagged parents' },
    {
      ...{ name: 'platform', kind: 'list', type: 'strings', since: '1.50' },
      usage: 'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
  ],
  args: { min: 1 },
  async run(shell, names, flags) {
    const force = flags.boolean('force') ?? false
    const platforms = flags
      .list('platform')
      .flatMap((each) => each.split(','))
      .map((each) => JSON.stringify(parsePlatform(each)))
    const query = {
      force: force || undefined,
      noprune: flags.boolean('no-prune') || undefined,
      platforms: platforms.length > 0 ? platforms : undefined,
    }
    const failures: unknown[] = []
    for (const name of names) {
      try {
        const path = `/images/${encodeURI(name)}`
        const removed = await shell.connection.json<{ Untagged?: string; Deleted?: string }[]>({
          ...{ method: 'DELETE', path, query },
        })
        for (const { Untagged, Deleted } of removed)
          shell.print(Deleted ? `Deleted: ${Deleted}\n` : `Untagged: ${Untagged}\n`)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length === 0) return 0
    const text = failures.map(messageOf).join('\n')
    if (!force || failures.some((error) => !isFailure(error, 'not-found'))) throw new ExitCode(1, text)
    shell.printError(`${text}\n`)
    return 0
  },
}
