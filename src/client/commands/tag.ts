// tag: POST /images/{name}/tag.
import { isFailure, messageOf } from '../../base/failure.ts'
import { parseReference } from '../../oci/parse-reference.ts'
import { familiarName } from '../../oci/parse-reference.ts'
import { type Command, ExitCode } from '../command.ts'
import { goQuote } from '../../base/go/go-quote.ts'

export const tag: Command = {
  flags: [],
  args: { min: 2, max: 2 },
  interspersed: false,
  async run(shell, [source = '', target = '']) {
    const reference = parseTarget(target)
    if (reference.digest !== undefined) throw new ExitCode(1, 'refusing to create a tag with a digest reference')
    await shell.connection.send({
      method: 'POST',
      path: `/images/${encodeURI(source)}/tag`,
      query: { repo: familiarName(reference), tag: reference.tag ?? 'latest' },
    })
    return 0
  },
}

function parseTarget(target: string): ReturnType<typeof parseReference> {
  try {
    return parseReference(target)
  } catch (error) {
    if (!isFailure(error)) throw error
    throw new ExitCode(
      1,
      `Error parsing reference: ${goQuote(target)} is not a valid repository/tag: ${messageOf(error)}`,
    )
  }
}
