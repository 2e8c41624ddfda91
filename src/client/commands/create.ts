// create: POST /containers/create, pulling the image where it is missing.
import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { proxyEnvironment } from '../connection/config-file.ts'
import type { FlagValues } from '../flags.ts'
import { CONTAINER_FLAGS } from '../options/container-flags.ts'
import { buildCreateBody, type CreateBody } from '../options/create-body.ts'
import { familiarName, parseReference } from '../options/reference.ts'
import { parsePlatform } from '../options/platform.ts'
import { isIpAddress } from '../options/publish.ts'
import { terminalSize } from '../terminal/streams.ts'
import { withHelp } from './container-calls.ts'

export const create: Command = {
  flags: [
    ...CONTAINER_FLAGS,
    {
      ...{ name: 'pull', kind: 'string', default: '"missing"' },
      usage: 'Pull image before creating ("always", "|missing", "never")',
    },
  ],
  args: { min: 1 },
  interspersed: false,
  async run(shell, [image = '', ...command], flags) {
    const body = readBody(shell, flags, image, command, 'create')
    shell.print(`${await createContainer(shell, body, flags)}\n`)
    return 0
  },
}

const POLICIES = ['always', 'missing', 'never', '']

/** A value that makes no sense is the user's mistake on the command line: exit code 125, with a pointer to the help. */
export function readBody(
  shell: Shell,
  flags: FlagValues,
  image: string,
  command: string[],
  verb: 'run' | 'create',
): CreateBody {
  try {
    const policy = flags.text('pull') ?? 'missing'
    if (!POLICIES.includes(policy))
      throw new Failure(
        'invalid-argument',
        `invalid pull option: '${policy}': must be one of "always", "missing" or "never"`,
      )
    const proxies = proxyEnvironment(shell.config, shell.connection.host, flags.list('env'))
    return buildCreateBody(flags, image, command, shell.env, proxies)
  } catch (error) {
    throw withHelp(messageOf(error), verb)
  }
}

/** Creates; on `No such image` pulls and creates again, as the pull policy says. Returns the id. */
export async function createContainer(shell: Shell, body: CreateBody, flags: FlagValues): Promise<string> {
  const cidFile = flags.text('cidfile')
  const file = cidFile ? openCidFile(cidFile) : undefined
  let id: string | undefined
  try {
    id = await createOrPull(shell, body, flags)
    if (file !== undefined) writeSync(file, id)
    return id
  } finally {
    if (file !== undefined) closeSync(file)
    if (cidFile && id === undefined) rmSync(cidFile, { force: true })
  }
}

function openCidFile(path: string): number {
  if (existsSync(path))
    throw new Failure(
      'already-exists',
      `container ID file found, make sure the other container isn't running or delete ${path}`,
    )
  try {
    return openSync(path, 'w')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why =
      code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : messageOf(error)
    throw new Failure('invalid-argument', `failed to create the container ID file: open ${path}: ${why}`)
  }
}

async function createOrPull(shell: Shell, body: CreateBody, flags: FlagValues): Promise<string> {
  const reference = await parseReference(body.Image)
  if (flags.boolean('use-api-socket')) mountApiSocket(shell, body)
  const policy = flags.text('pull') ?? 'missing'
  const platform = flags.text('platform') || shell.env['DOCKER_DEFAULT_PLATFORM'] || undefined
  if (platform !== undefined) checkPlatform(platform)
  const isQuiet = flags.boolean('quiet') ?? false
  const pull = async () => {
    const { pullImage } = await import('../pull-image.ts')
    await pullImage(shell, body.Image, { platform, isQuiet, fd: 2, needsCredentials: true })
  }
  const size = terminalSize(1)
  body.HostConfig['ConsoleSize'] = [size?.rows ?? 0, size?.columns ?? 0]
  const post = () =>
    shell.connection.json<{ Id: string; Warnings?: string[] | null }>({
      method: 'POST',
      path: '/containers/create',
      query: { name: flags.text('name') || undefined, platform },
      body,
    })
  if (policy === 'always') await pull()
  let created: Awaited<ReturnType<typeof post>>
  try {
    created = await post()
  } catch (error) {
    if (!isFailure(error, 'not-found') || policy !== 'missing' || reference === undefined) throw error
    if (!isQuiet) shell.printError(`Unable to find image '${await familiarName(reference)}' locally\n`)
    await pull()
    created = await post()
  }
  const warnings = [...(created.Warnings ?? []), ...dnsWarnings(body)]
  for (const warning of warnings) shell.printError(`WARNING: ${warning}\n`)
  return created.Id
}

function checkPlatform(platform: string): void {
  try {
    parsePlatform(platform)
  } catch (error) {
    throw new Failure('invalid-argument', `error parsing specified platform: ${messageOf(error)}`)
  }
}

function dnsWarnings(body: CreateBody): string[] {
  const local = (body.HostConfig['Dns'] as string[]).find((ip) => isIpAddress(ip) && /^127\.|^::1$/.test(ip))
  return local === undefined ? [] : [`Localhost DNS (${local}) may fail in containers.`]
}

/** The engine's socket, where programs look for it; credentials are not handed over. */
function mountApiSocket(shell: Shell, body: CreateBody): void {
  const { host } = shell.connection
  if (!host.startsWith('unix://'))
    throw new ExitCode(
      1,
      `flag --use-api-socket can only be used with unix sockets: docker endpoint ${host} incompatible`,
    )
  const mounts = (body.HostConfig['Mounts'] ?? []) as object[]
  const socket = { Type: 'bind', Source: host.slice('unix://'.length), Target: '/var/run/docker.sock', BindOptions: {} }
  body.HostConfig['Mounts'] = [...mounts, socket]
}
