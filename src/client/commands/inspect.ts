// inspect: the engine's own description of containers and images, as JSON or by a template.
import { isFailure, messageOf } from '../../base/failure.ts'
import type { Command, Shell } from '../command.ts'
import { renderTemplate } from '../format/template.ts'

type Kind = 'container' | 'image'

export const inspect: Command = {
  paths: ['inspect', 'container inspect', 'image inspect'],
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  summary: 'Return low-level information on Docker objects',
  flags: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      usage: "Format output using a custom template ('json' or a Go template)",
    },
    { name: 'size', short: 's', kind: 'boolean', usage: 'Display total file sizes if the type is container' },
    { name: 'type', kind: 'string', usage: 'Only inspect objects of the given type' },
  ],
  args: { min: 1 },
  async run(shell, names, flags) {
    const found: unknown[] = []
    const errors: string[] = []
    for (const name of names) {
      try {
        found.push(
          await inspectOne(shell, name, flags.text('type') as Kind | undefined, flags.boolean('size') ?? false),
        )
      } catch (error) {
        errors.push(messageOf(error))
      }
    }
    const format = flags.text('format')
    if (format === undefined || format === '') shell.print(`${JSON.stringify(found, null, 4)}\n`)
    else if (format === 'json') shell.print(`${JSON.stringify(found)}\n`)
    else for (const item of found) shell.print(`${renderTemplate(format, item)}\n`)
    for (const error of errors) shell.printError(`${error}\n`)
    return errors.length > 0 ? 1 : 0
  },
}

/** Containers come before images, as in docker inspect. */
async function inspectOne(shell: Shell, name: string, type: Kind | undefined, size: boolean): Promise<unknown> {
  const kinds: Kind[] = type === undefined ? ['container', 'image'] : [type]
  for (const kind of kinds) {
    const path =
      kind === 'container' ? `/containers/${encodeURIComponent(name)}/json` : `/images/${encodeURI(name)}/json`
    try {
      return await shell.connection.json<unknown>({ method: 'GET', path, query: { size: size || undefined } })
    } catch (error) {
      if (!isFailure(error, 'not-found') || type !== undefined) throw error
    }
  }
  throw new Error(`error: no such object: ${name}`)
}
