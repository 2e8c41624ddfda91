// Objects described to the user: their JSON byte for byte, or a template of it. Shared by every `inspect`.
import { isFailure, messageOf } from '../base/failure.ts'
import { indentJson } from '../base/go/go-json.ts'
import { compileTemplate } from '../base/go/template.ts'
import { ExitCode, type Shell } from './command.ts'

const TEMPLATE_ERROR_CODE = 64

/**
 * Prints what `find` gives of each name, which is JSON: as it is, or by a template. What was found comes first, then one line for each
 * name that was not, and the exit code is 1. `type` is Go's name of what they are, where the Docker CLI's messages give it.
 */
export async function describeObjects(
  shell: Shell,
  names: readonly string[],
  format: string | undefined,
  find: (name: string) => Promise<string>,
  type?: string,
): Promise<number> {
  const isJson = format === undefined || format === '' || format === 'json'
  const render = isJson ? undefined : compileFormat(format, type)
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

function compileFormat(format: string, type: string | undefined): (text: string) => string {
  let compiled: ReturnType<typeof compileTemplate>
  try {
    compiled = compileTemplate(format)
  } catch (error) {
    throw new ExitCode(TEMPLATE_ERROR_CODE, `template parsing error: ${messageOf(error)}`)
  }
  return (text) => {
    try {
      const options = { missing: (name: string) => MISSING[name], ...(type === undefined ? {} : { type }) }
      return compiled(typed(JSON.parse(text) as unknown), options)
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
