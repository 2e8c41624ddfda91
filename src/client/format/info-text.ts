// The engine's description of itself, as lines.
import { formatBinarySize } from './moments.ts'

type Info = Record<string, unknown>

interface RegistryConfig {
  InsecureRegistryCIDRs?: string[] | null
  IndexConfigs?: Record<string, { Name: string; Secure: boolean }> | null
  Mirrors?: string[] | null
}

/** Every line ends with a line end. Lines of fields that are empty are left out where Docker leaves them out. */
export function formatInfo(info: Info, isDebug: boolean): string {
  const list = (key: string) => (info[key] as unknown[] | null | undefined) ?? []
  const field = (label: string, key: string) => ` ${label}: ${String(info[key] ?? '')}`
  const filled = (label: string, key: string) => (info[key] ? [field(label, key)] : [])
  const commit = (key: string) => (info[key] as { ID?: string } | undefined)?.ID ?? ''
  const plugins = (info['Plugins'] ?? {}) as Record<string, string[] | null>
  const words = (key: string) => (plugins[key] ?? []).join(' ')
  const runtimes = Object.keys((info['Runtimes'] ?? {}) as object)
  const debugLines = [
    `  File Descriptors: ${String(info['NFd'] ?? 0)}`,
    `  Goroutines: ${String(info['NGoroutines'] ?? 0)}`,
    `  System Time: ${String(info['SystemTime'] ?? '')}`,
    `  EventsListeners: ${String(info['NEventsListener'] ?? 0)}`,
  ]
  const lines = [
    field('Containers', 'Containers'),
    ` ${field('Running', 'ContainersRunning')}`,
    ` ${field('Paused', 'ContainersPaused')}`,
    ` ${field('Stopped', 'ContainersStopped')}`,
    field('Images', 'Images'),
    ...filled('Server Version', 'ServerVersion'),
    ...filled('Storage Driver', 'Driver'),
    ...(list('DriverStatus') as [string, string][]).map(([key, value]) => `  ${key}: ${value}`),
    ...filled('Logging Driver', 'LoggingDriver'),
    ...filled('Cgroup Driver', 'CgroupDriver'),
    ...filled('Cgroup Version', 'CgroupVersion'),
    ' Plugins:',
    `  Volume: ${words('Volume')}`,
    `  Network: ${words('Network')}`,
    ...(plugins['Authorization']?.length ? [`  Authorization: ${words('Authorization')}`] : []),
    `  Log: ${words('Log')}`,
    ...section(' CDI spec directories:', list('CDISpecDirs') as string[]),
    ` Swarm: ${(info['Swarm'] as { LocalNodeState?: string } | undefined)?.LocalNodeState ?? ''}`,
    ...(runtimes.length > 0 ? [` Runtimes: ${runtimes.join(' ')}`, field('Default Runtime', 'DefaultRuntime')] : []),
    field('Init Binary', 'InitBinary'),
    ` containerd version: ${commit('ContainerdCommit')}`,
    ` runc version: ${commit('RuncCommit')}`,
    ` init version: ${commit('InitCommit')}`,
    ...securityLines(list('SecurityOptions') as string[]),
    ...filled('Kernel Version', 'KernelVersion'),
    ...filled('Operating System', 'OperatingSystem'),
    ...filled('OSType', 'OSType'),
    ...filled('Architecture', 'Architecture'),
    field('CPUs', 'NCPU'),
    ` Total Memory: ${formatBinarySize(Number(info['MemTotal'] ?? 0))}`,
    ...filled('Name', 'Name'),
    ...filled('ID', 'ID'),
    field('Docker Root Dir', 'DockerRootDir'),
    field('Debug Mode', 'Debug'),
    ...(info['Debug'] === true || isDebug ? debugLines : []),
    ...filled('HTTP Proxy', 'HttpProxy'),
    ...filled('HTTPS Proxy', 'HttpsProxy'),
    ...filled('No Proxy', 'NoProxy'),
    ...section(' Labels:', list('Labels') as string[]),
    field('Experimental', 'ExperimentalBuild'),
    ...registryLines((info['RegistryConfig'] ?? {}) as RegistryConfig),
    field('Live Restore Enabled', 'LiveRestoreEnabled'),
    ...filled('Product License', 'ProductLicense'),
    ...poolLines(list('DefaultAddressPools') as { Base: string; Size: number }[]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

function section(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [title, ...items.map((item) => `  ${item}`)]
}

/** `name=seccomp,profile=builtin` */
function securityLines(options: readonly string[]): string[] {
  if (options.length === 0) return []
  const lines = options.flatMap((option) => {
    const pairs = option.split(',').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])
    const name = pairs.find(([key]) => key === 'name')?.[1] ?? ''
    const profiles = pairs.filter(([key]) => key === 'profile').map(([, value]) => `   Profile: ${value}`)
    return [`  ${name}`, ...profiles]
  })
  return [' Security Options:', ...lines]
}

function registryLines({ InsecureRegistryCIDRs, IndexConfigs, Mirrors }: RegistryConfig): string[] {
  const insecure = Object.values(IndexConfigs ?? {})
    .filter(({ Secure }) => !Secure)
    .map(({ Name }) => Name)
  const ranges = InsecureRegistryCIDRs ?? []
  const hasAny = ranges.length > 0 || Object.keys(IndexConfigs ?? {}).length > 0
  const title = hasAny ? [' Insecure Registries:'] : []
  return [
    ...title,
    ...[...insecure, ...ranges].map((name) => `  ${name}`),
    ...section(' Registry Mirrors:', Mirrors ?? []),
  ]
}

function poolLines(pools: readonly { Base: string; Size: number }[]): string[] {
  if (pools.length === 0) return []
  return [' Default Address Pools:', ...pools.map(({ Base, Size }) => `   Base: ${Base}, Size: ${Size}`)]
}
