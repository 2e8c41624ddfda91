// push: POST /images/{name}/push.
import { isFailure } from '../../base/failure.ts'
import { formatReference, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import { readJsonLines } from '../../wire/json-stream.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { readAuthHeader } from '../connection/credentials.ts'
import { parsePlatform } from '../options/platform.ts'
import { showProgress } from '../pull-image.ts'
import { printNote } from '../terminal/note.ts'

const ONE_PLATFORM = `Using --platform pushes only the specified platform manifest of a multi-platform image index.
Other components, like attestations, will not be included.
To push the complete multi-platform image, remove the --platform flag.
`
const CONTENT_MISSING = `You're trying to push a manifest list/index which 
				references multiple platform specific manifests, but not all of them are available locally
				or available to the remote repository.

				Make sure you have all the referenced content and try again.

				You can also push only a single platform specific manifest directly by specifying the platform you want to push with the --platform flag.`

export const push: Command = {
  flags: [
    { name: 'all-tags', short: 'a', kind: 'boolean', usage: 'Push all tags of an image to the repository' },
    { name: 'disable-content-trust', kind: 'boolean', usage: 'Skip image signing', default: 'true' },
    {
      ...{ name: 'platform', kind: 'string', since: '1.46' },
      usage: `Push a platform-specific manifest as a single-platform image to the registry.
Image index won't be pushed, meaning that other manifests, including attestations won't be preserved.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
    },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Suppress verbose output' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    shell.interruption.listen()
    const isAll = flags.boolean('all-tags') ?? false
    const isQuiet = flags.boolean('quiet') ?? false
    const platform = readPlatform(shell, flags.text('platform') ?? '')
    const given = parseReference(name)
    const isBare = given.tag === undefined && given.digest === undefined
    if (isAll && !isBare) throw new ExitCode(1, "tag can't be used with --all-tags/-a")
    const reference = isAll ? given : withDefaultTag(given)
    if (!isAll && isBare && !isQuiet) shell.print(`Using default tag: ${reference.tag}\n`)
    if (reference.digest !== undefined) throw new ExitCode(1, 'cannot push a digest reference')
    const body = await shell.connection.open({
      method: 'POST',
      path: `/images/${reference.domain}/${reference.path}/push`,
      query: { tag: reference.tag, platform: platform === undefined ? undefined : JSON.stringify(platform) },
      headers: await readAuthHeader(name, shell.config, shell.env),
    })
    const notes: string[] = []
    try {
      await showProgress(readJsonLines(body), isQuiet ? undefined : 1, (aux) => notes.push(...notesOf(aux)))
      if (isQuiet) shell.print(`${formatReference(reference)}\n`)
    } finally {
      for (const note of notes) printNote(1, note)
    }
    return 0
  },
}

function readPlatform(shell: Shell, text: string): ReturnType<typeof parsePlatform> | undefined {
  if (text === '') return undefined
  try {
    const platform = parsePlatform(text)
    printNote(1, ONE_PLATFORM)
    return platform
  } catch (error) {
    if (isFailure(error)) shell.printError(`Invalid platform ${text}`)
    throw error
  }
}

interface PushAux {
  manifestPushedInsteadOfIndex?: boolean
  originalIndex?: { digest: string }
  selectedManifest?: { digest: string }
  contentMissing?: boolean
}

function notesOf(value: unknown): string[] {
  const { manifestPushedInsteadOfIndex, originalIndex, selectedManifest, contentMissing } = value as PushAux
  const notes: string[] = []
  if (manifestPushedInsteadOfIndex === true)
    notes.push(
      `Not all multiplatform-content is present and only the available single-platform image was pushed\n\x1b[31m${originalIndex?.digest}\x1b[0m -> \x1b[32m${selectedManifest?.digest}\x1b[0m`,
    )
  if (contentMissing === true) notes.push(CONTENT_MISSING)
  return notes
}
