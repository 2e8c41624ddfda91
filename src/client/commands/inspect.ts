// inspect: the engine's own description of objects, byte for byte as it came, or by a template.
import { isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { escapeForHtml } from '../../base/go/go-json.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import type { Flag } from '../flags.ts'
import { describeObjects } from '../inspect-objects.ts'
import { INSPECT_FORMAT } from '../options/format-flags.ts'
import { parsePlatform } from '../options/platform.ts'

type Kind = 'container' | 'image' | 'network' | 'volume' | 'service' | 'task' | 'node' | 'plugin' | 'secret' | 'config'

/** In the order in which a bare name is looked for. */
const PATHS: Record<Kind, (name: string) => string> = {
  container: (name) => `/containers/${encodeURIComponent(name)}/json`,
  image: (name) => `/images/${encodeURI(name)}/json`,
  network: (name) => `/networks/${encodeURIComponent(name)}`,
  volume: (name) => `/volumes/${encodeURIComponent(name)}`,
  service: (name) => `/services/${encodeURIComponent(name)}`,
  task: (name) => `/tasks/${encodeURIComponent(name)}`,
  node: (name) => `/nodes/${encodeURIComponent(name)}`,
  plugin: (name) => `/plugins/${encodeURI(name)}/json`,
  secret: (name) => `/secrets/${encodeURIComponent(name)}`,
  config: (name) => `/configs/${encodeURIComponent(name)}`,
}
/** Only a manager of a swarm has them. */
const OF_SWARM: ReadonlySet<Kind> = new Set(['service', 'task', 'node', 'secret', 'config'])
const TYPES = 'config container image network node plugin secret service task volume'.split(' ')

const FORMAT: Flag = { ...INSPECT_FORMAT, short: 'f' }

export const inspect: Command = {
  flags: [
    FORMAT,
    { name: 'size', short: 's', kind: 'boolean', usage: 'Display total file sizes if the type is container' },
    { name: 'type', kind: 'string', usage: 'Only inspect objects of the given type' },
  ],
  args: { min: 1 },
  run(shell, names, flags) {
    const type = flags.text('type')
    const choice = `must be one of ${goQuote(TYPES.join('", "')).replaceAll('\\"', '"')}`
    if (type === '') throw new ExitCode(1, `type is empty: ${choice}`)
    if (type !== undefined && !TYPES.includes(type)) throw new ExitCode(1, `unknown type: ${goQuote(type)}: ${choice}`)
    const size = flags.boolean('size') ?? false
    return describeObjects(shell, names, flags.text('format'), (name) => findObject(shell, name, type, size))
  },
}

export const inspectContainers: Command = {
  flags: [FORMAT, { name: 'size', short: 's', kind: 'boolean', usage: 'Display total file sizes' }],
  args: { min: 1 },
  run: (shell, names, flags) =>
    describeObjects(shell, names, flags.text('format'), (name) =>
      load(shell, 'container', name, flags.boolean('size') ?? false),
    ),
}

export const inspectImages: Command = {
  flags: [
    FORMAT,
    {
      ...{ name: 'platform', kind: 'string', since: '1.49' },
      usage: `Inspect a specific platform of the multi-platform image.
If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
    },
  ],
  args: { min: 1 },
  run(shell, names, flags) {
    const platform = flags.text('platform') ? JSON.stringify(parsePlatform(flags.text('platform') ?? '')) : undefined
    return describeObjects(shell, names, flags.text('format'), (name) =>
      shell.connection.text({ method: 'GET', path: PATHS.image(name), query: { platform } }),
    )
  },
}

export const inspectVolumes: Command = {
  flags: [FORMAT],
  args: { min: 1 },
  run: (shell, names, flags) =>
    describeObjects(shell, names, flags.text('format'), (name) => describeVolume(shell, name), 'volume.Volume'),
}

/** The one object whose words the Docker CLI does not pass on but writes anew, as Go's json.Marshal does. */
async function describeVolume(shell: Shell, name: string): Promise<string> {
  return escapeForHtml(await load(shell, 'volume', name, false))
}

function load(shell: Shell, kind: Kind, name: string, size: boolean): Promise<string> {
  const query = { size: size || undefined, insertDefaults: kind === 'service' ? 'true' : undefined }
  return shell.connection.text({ method: 'GET', path: PATHS[kind](name), query })
}

/** Without a type, what is found first. */
async function findObject(shell: Shell, name: string, type: string | undefined, size: boolean): Promise<string> {
  let isManager: boolean | undefined
  for (const kind of Object.keys(PATHS) as Kind[]) {
    if (type !== undefined && kind !== type) continue
    if (type === undefined && OF_SWARM.has(kind)) {
      isManager ??= await isSwarmManager(shell)
      if (!isManager) continue
    }
    try {
      const text = await load(shell, kind, name, size && kind === 'container')
      if (size && kind !== 'container') shell.printError(`WARNING: --size ignored for ${kind}\n`)
      return text
    } catch (error) {
      if (type !== undefined || !isSkippable(error)) throw error
    }
  }
  throw new Error(`Error: No such object: ${name}`)
}

async function isSwarmManager(shell: Shell): Promise<boolean> {
  try {
    const info = await shell.connection.json<{ Swarm?: { ControlAvailable?: boolean } }>({
      method: 'GET',
      path: '/info',
    })
    return info.Swarm?.ControlAvailable ?? false
  } catch (error) {
    shell.printError(`${messageOf(error)}\n`)
    return false
  }
}

function isSkippable(error: unknown): boolean {
  return isFailure(error, 'not-found') || /not supported|invalid reference format|page not found/.test(messageOf(error))
}

export const inspectNetworks: Command = {
  flags: [FORMAT, { name: 'verbose', short: 'v', kind: 'boolean', usage: 'Verbose output for diagnostics' }],
  args: { min: 1 },
  run(shell, names, flags) {
    const query = { verbose: flags.boolean('verbose') ? 'true' : undefined }
    return describeObjects(shell, names, flags.text('format'), (name) =>
      shell.connection.text({ method: 'GET', path: PATHS.network(name), query }),
    )
  },
}

export const inspectPlugins: Command = {
  flags: [FORMAT],
  args: { min: 1 },
  run: (shell, names, flags) =>
    describeObjects(shell, names, flags.text('format'), (name) => load(shell, 'plugin', name, false)),
}
