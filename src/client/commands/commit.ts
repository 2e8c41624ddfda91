// commit: POST /commit.
import { Failure } from '../../base/failure.ts'
import { familiarName, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Command } from '../command.ts'

export const commit: Command = {
  flags: [
    { name: 'author', short: 'a', kind: 'string', usage: 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")' },
    { name: 'change', short: 'c', kind: 'list', usage: 'Apply Dockerfile instruction to the created image' },
    { name: 'message', short: 'm', kind: 'string', usage: 'Commit message' },
    { name: 'pause', short: 'p', kind: 'boolean', usage: 'Pause container during commit', default: 'true' },
  ],
  args: { min: 1, max: 2 },
  interspersed: false,
  async run(shell, [container = '', name = ''], flags) {
    const { repo, tag } = repositoryOf(name)
    const { Id } = await shell.connection.json<{ Id: string }>({
      method: 'POST',
      path: '/commit',
      query: {
        container,
        repo,
        tag,
        comment: flags.text('message') ?? '',
        author: flags.text('author') ?? '',
        changes: flags.list('change'),
        pause: (flags.boolean('pause') ?? true) ? undefined : '0',
      },
    })
    shell.print(`${Id}\n`)
    return 0
  },
}

function repositoryOf(name: string): { repo: string; tag: string } {
  if (name === '') return { repo: '', tag: '' }
  const reference = parseReference(name)
  if (reference.digest !== undefined)
    throw new Failure('invalid-argument', 'refusing to create a tag with a digest reference')
  const tagged = withDefaultTag(reference)
  return { repo: familiarName(tagged), tag: tagged.tag ?? '' }
}
