// create: POST /containers/create, pulling the image where it is missing.
import { writeFileSync } from 'node:fs'
import { Failure, isFailure } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { CONTAINER_FLAGS, type CreateBody, buildCreateBody } from '../container-flags.ts'
import type { FlagValues } from '../flags.ts'
import { pullImage } from '../pull-image.ts'

/** Exit code of docker run and create for everything that goes wrong before the container's program runs. */
export const CREATE_FAILURE_CODE = 125

export const create: Command = {
  paths: ['create', 'container create'],
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create a new container',
  flags: CONTAINER_FLAGS,
  args: { min: 1 },
  interspersed: false,
  async run(shell, [image = '', ...command], flags) {
    const body = readBody(flags, image, command, shell, true)
    const { Id } = await createContainer(shell, body, flags)
    shell.print(`${Id}\n`)
    return 0
  },
}

/** A malformed value is the user's mistake on the command line: exit code 125 as for run. */
export function readBody(
  flags: FlagValues,
  image: string,
  command: string[],
  shell: Shell,
  isDetached: boolean,
): CreateBody {
  try {
    return buildCreateBody(flags, image, command, shell.env, isDetached)
  } catch (error) {
    throw new ExitCode(
      CREATE_FAILURE_CODE,
      `berth: ${error instanceof Error ? error.message : String(error)}\n\nRun 'berth run --help' for more information`,
    )
  }
}

/** Creates; on `No such image` pulls and creates again, as the pull policy says. */
export async function createContainer(shell: Shell, body: CreateBody, flags: FlagValues): Promise<{ Id: string }> {
  const policy = flags.text('pull') ?? 'missing'
  const platform = flags.text('platform')
  if (!['always', 'missing', 'never'].includes(policy))
    throw new Failure(
      'invalid-argument',
      `invalid pull option: '${policy}': must be one of "always", "missing" or "never"`,
    )
  const isQuiet = flags.boolean('quiet') ?? false
  const post = () =>
    shell.connection.json<{ Id: string; Warnings?: string[] | null }>({
      method: 'POST',
      path: '/containers/create',
      query: { name: flags.text('name'), platform },
      body,
    })
  if (policy === 'always') await pullImage(shell, body.Image, { platform, isQuiet, output: shell.stderr })
  let created: Awaited<ReturnType<typeof post>>
  try {
    created = await post()
  } catch (error) {
    if (!isFailure(error, 'not-found') || policy !== 'missing' || !/No such image/i.test(error.message)) throw error
    const familiar = /[:@]/.test(body.Image.slice(body.Image.lastIndexOf('/') + 1))
      ? body.Image
      : `${body.Image}:latest`
    if (!isQuiet) shell.printError(`Unable to find image '${familiar}' locally\n`)
    await pullImage(shell, body.Image, { platform, isQuiet, output: shell.stderr })
    created = await post()
  }
  for (const warning of created.Warnings ?? []) shell.printError(`WARNING: ${warning}\n`)
  const file = flags.text('cidfile')
  if (file !== undefined) writeFileSync(file, created.Id, { flag: 'wx' })
  return created
}
