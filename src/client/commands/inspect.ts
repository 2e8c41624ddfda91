// inspect: the engine's own description of objects, byte for byte as it came, or by a template.
import { isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { indentJson } from '../../base/go/go-json.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { compileTemplate } from '../../base/go/template.ts'
import type { Flag } from '../flags.ts'
import { INSPECT_FORMAT } from '../options/format-flags.ts'
import { parsePlatform } from '../options/platform.ts'

type Kind = 'container' | 'image' | 'network' | 'volume'

const PATHS: Record<Kind, (name: string) => string> = {
  container: (name) => `/containers/${encodeURIComponent(name)}/json`,
  image: (name) => `/images/${encodeURI(name)}/json`,
  network: (name) => `/networks/${encodeURIComponent(name)}`,
  volume: (name) => `/volumes/${encodeURIComponent(name)}`,
}
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
    return describe(shell, names, flags.text('format'), (name) => findObject(shell, name, type, size))
  },
}

export const inspectContainers: Command = {
  flags: [FORMAT, { name: 'size', short: 's', kind: 'boolean', usage: 'Display total file sizes' }],
  args: { min: 1 },
  run: (shell, names, flags) =>
    describe(shell, names, flags.text('format'), (name) =>
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
    return describe(shell, names, flags.text('format'), (name) =>
      shell.connection.text({ method: 'GET', path: PATHS.image(name), query: { platform } }),
    )
  },
}

function load(shell: Shell, kind: Kind, name: string, size: boolean): Promise<string> {
  return shell.connection.text({ method: 'GET', path: PATHS[kind](name), query: { size: size || undefined } })
}

/** Containers come first, then images, networks and volumes, as in docker inspect. */
async function findObject(shell: Shell, name: string, type: string | undefined, size: boolean): Promise<string> {
  for (const kind of Object.keys(PATHS) as Kind[]) {
    if (type !== undefined && kind !== type) continue
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

function isSkippable(error: unknown): boolean {
  return isFailure(error, 'not-found') || /not supported|invalid reference format|page not found/.test(messageOf(error))
}

const TEMPLATE_ERROR_CODE = 64

async function describe(
  shell: Shell,
  names: readonly string[],
  format: string | undefined,
  find: (name: string) => Promise<string>,
): Promise<number> {
  const isJson = format === undefined || format === '' || format === 'json'
  const render = isJson ? undefined : compileFormat(format)
  const found: string[] = []
  const failures: string[] = []
  for (const name of names) {
    try {
      const text = await find(name)
      found.push(render === undefined ? text.trim() : `${render(text)}\n`)
    } catch (error) {
      failures.push(messageOf(error))
    }
  }
  if (render !== undefined) shell.print(found.length === 0 ? '\n' : found.join(''))
  else if (found.length === 0) shell.print('[]\n')
  else shell.print(`${format === 'json' ? `[${found.join(',')}]` : indentJson(`[${found.join(',')}]`, '    ')}\n`)
  if (failures.length > 0) throw new ExitCode(1, failures.join('\n'))
  return 0
}

function compileFormat(format: string): (text: string) => string {
  let compiled: ReturnType<typeof compileTemplate>
  try {
    compiled = compileTemplate(format)
  } catch (error) {
    throw new ExitCode(TEMPLATE_ERROR_CODE, `template parsing error: ${messageOf(error)}`)
  }
  return (text) => {
    try {
      return compiled(typed(JSON.parse(text) as unknown), { missing: (name) => MISSING[name] })
    } catch (error) {
      throw isFailure(error) ? new Error(`template parsing error: ${error.message}`) : error
    }
  }
}

/** What the engine leaves out where it is empty: in a template it is there, as an empty value of its type. */
const MISSING: Record<string, { value: unknown }> = Object.fromEntries([
  ...'Health Healthcheck StopTimeout Init SizeRw SizeRootFs ImageManifestDescriptor Descriptor GraphDriver'
    .split(' ')
    .map((name) => [name, { value: null }] as const),
  ...'MacAddress StopSignal Runtime Parent DockerVersion Author Comment VirtualSize Isolation'
    .split(' ')
    .map((name) => [name, { value: '' }] as const),
  ...'NetworkDisabled ArgsEscaped'.split(' ').map((name) => [name, { value: false }] as const),
  ...'Shell OnBuild Mounts Manifests'.split(' ').map((name) => [name, { value: [] }] as const),
  ...'Annotations StorageOpt Tmpfs Sysctls ExposedPorts Volumes Labels'
    .split(' ')
    .map((name) => [name, { value: {} }] as const),
])

const LISTS = new Set(
  'Binds CapAdd CapDrop Cmd Entrypoint Env ExecIDs ExtraHosts GroupAdd Links VolumesFrom SecurityOpt OnBuild Ulimits Devices DeviceRequests DeviceCgroupRules BlkioWeightDevice RepoTags RepoDigests Aliases DNSNames SecondaryIPAddresses SecondaryIPv6Addresses Dns DnsOptions DnsSearch Args'.split(
    ' ',
  ),
)
const MAPS = new Set('Labels Volumes ExposedPorts DriverOpts Ports PortBindings Options Config'.split(' '))

/** Go knows of every field what it would be if it were there: a list that is null prints as `[]`, a map as `map[]`. */
function typed(value: unknown, name = ''): unknown {
  if (value === null) return LISTS.has(name) ? [] : MAPS.has(name) ? {} : null
  if (Array.isArray(value)) return value.map((item) => typed(item))
  if (typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, typed(item, key)]))
}
