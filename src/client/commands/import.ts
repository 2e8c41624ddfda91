// import: POST /images/create?fromSrc=.
import { parseReference } from '../../oci/parse-reference.ts'
import { readJsonLines } from '../../wire/json-stream.ts'
import type { Command } from '../command.ts'
import { openInput, standardInput } from '../files/input.ts'
import { showProgress } from '../pull-image.ts'

export const importImage: Command = {
  flags: [
    { name: 'change', short: 'c', kind: 'list', usage: 'Apply Dockerfile instruction to the created image' },
    { name: 'message', short: 'm', kind: 'string', usage: 'Set commit message for imported image' },
    {
      ...{ name: 'platform', kind: 'string', since: '1.32' },
      usage: 'Set platform if server is multi-platform capable',
    },
  ],
  args: { min: 1 },
  async run(shell, [source = '', name = ''], flags) {
    shell.interruption.listen()
    // A URL is for the engine to fetch.
    const isUrl = source.startsWith('http://') || source.startsWith('https://')
    const upload = isUrl ? undefined : source === '-' ? standardInput() : openInput(source)
    if (name !== '') parseReference(name)
    const platform = flags.text('platform') || shell.env['DOCKER_DEFAULT_PLATFORM'] || ''
    const body = await shell.connection.open({
      method: 'POST',
      path: '/images/create',
      query: {
        fromSrc: isUrl ? source : '-',
        repo: name || undefined,
        message: flags.text('message') || undefined,
        platform: platform.toLowerCase() || undefined,
        changes: flags.list('change'),
      },
      headers: { 'Content-Type': 'text/plain' },
      ...(upload === undefined ? {} : { upload }),
    })
    await showProgress(readJsonLines(body), 1)
    return 0
  },
}
