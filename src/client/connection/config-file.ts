// config.json of the client: credentials, formats, headers, the current context.
import { readFileSync } from 'node:fs'
import { messageOf } from '../../base/failure.ts'

export interface ConfigFile {
  auths?: Record<string, { auth?: string; identitytoken?: string; username?: string; password?: string }>
  credsStore?: string
  credHelpers?: Record<string, string>
  HttpHeaders?: Record<string, string>
  currentContext?: string
  detachKeys?: string
  psFormat?: string
  /** Added to the filters of every prune. */
  pruneFilters?: string[]
  imagesFormat?: string
  statsFormat?: string
  networksFormat?: string
  pluginsFormat?: string
  volumesFormat?: string
  /** Directories of CLI plugins, before the client's own. */
  cliPluginsExtraDirs?: unknown
  proxies?: Record<string, Record<string, string>>
}

/** The directory that `--config` and DOCKER_CONFIG name; else ~/.docker. */
export function configDirectory(given: string | undefined, env: NodeJS.ProcessEnv): string {
  return given || env['DOCKER_CONFIG'] || `${env['HOME'] || '/root'}/.docker`
}

/** Empty where there is none. What cannot be read is told to `warn` and left out, as the Docker CLI does. */
export function loadConfigFile(directory: string, warn: (text: string) => void): ConfigFile {
  const path = `${directory}/config.json`
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      warn(`WARNING: Error loading config file: ${messageOf(error)}\n`)
    return {}
  }
  try {
    const parsed: unknown = text.trim() === '' ? {} : JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? (parsed as ConfigFile) : {}
  } catch (error) {
    warn(`WARNING: Error parsing config file (${path}): ${messageOf(error)}\n`)
    return {}
  }
}

const PROXY_NAMES: Record<string, string> = {
  httpProxy: 'HTTP_PROXY',
  httpsProxy: 'HTTPS_PROXY',
  noProxy: 'NO_PROXY',
  ftpProxy: 'FTP_PROXY',
  allProxy: 'ALL_PROXY',
}

/** The environment that `proxies` of config.json gives new containers; what `given` sets already stays as it is. */
export function proxyEnvironment(config: ConfigFile, host: string, given: readonly string[]): string[] {
  const proxies = config.proxies?.[host] ?? config.proxies?.['default']
  if (proxies === undefined) return []
  const names = new Set(given.map((entry) => entry.split('=')[0]))
  return Object.entries(PROXY_NAMES).flatMap(([key, name]) => {
    const value = proxies[key]
    return value ? [name, name.toLowerCase()].filter((each) => !names.has(each)).map((each) => `${each}=${value}`) : []
  })
}
