// pull: POST /images/create.
import { Failure } from '../../base/failure.ts'
import type { Command } from '../command.ts'
import { pullImage, splitReference } from '../pull-image.ts'

export const pull: Command = {
  paths: ['pull', 'image pull'],
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  summary: 'Download an image from a registry',
  flags: [
    { name: 'platform', kind: 'string', usage: 'Set platform if server is multi-platform capable' },
    { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Suppress verbose output' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [image = ''], flags) {
    if (image === '') throw new Failure('invalid-argument', 'invalid reference format')
    const { name, tag } = splitReference(image)
    if (tag === 'latest' && !image.endsWith(':latest') && !flags.boolean('quiet'))
      shell.print('Using default tag: latest\n')
    await pullImage(shell, image, {
      platform: flags.text('platform'),
      isQuiet: flags.boolean('quiet') ?? false,
      output: shell.stdout,
    })
    shell.print(`${normalise(name)}${tag.includes(':') ? '@' : ':'}${tag}\n`)
    return 0
  },
}

/** The full name, which docker pull prints last. */
function normalise(name: string): string {
  const [first = '', ...rest] = name.split('/')
  if (rest.length === 0) return `docker.io/library/${name}`
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`
}
