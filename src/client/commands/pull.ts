// pull: POST /images/create.
import { formatReference, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import { type Command, ExitCode } from '../command.ts'
import { pullImage } from '../pull-image.ts'

export const pull: Command = {
  flags: [
    { name: 'all-tags', short: 'a', kind: 'boolean', usage: 'Download all tagged images in the repository' },
    { name: 'disable-content-trust', kind: 'boolean', usage: 'Skip image verification', default: 'true' },
    {
      ...{ name: 'platform', kind: 'string', since: '1.32' },
      usage: 'Set platform if server is multi-platform capable',
    },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Suppress verbose output' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [image = ''], flags) {
    shell.interruption.listen()
    const given = parseReference(image)
    const allTags = flags.boolean('all-tags') ?? false
    const isQuiet = flags.boolean('quiet') ?? false
    const isBare = given.tag === undefined && given.digest === undefined
    if (allTags && !isBare) throw new ExitCode(1, "tag can't be used with --all-tags/-a")
    if (!allTags && isBare && !isQuiet) shell.print('Using default tag: latest\n')
    const platform = flags.text('platform') || shell.env['DOCKER_DEFAULT_PLATFORM'] || undefined
    await pullImage(shell, image, { platform, isQuiet, fd: 1, allTags })
    shell.print(`${formatReference(allTags ? given : withDefaultTag(given))}\n`)
    return 0
  },
}
