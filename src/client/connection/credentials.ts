// The credentials of registries: found for a request, kept by `login`, dropped by `logout`.
import type { ConfigFile } from './config-file.ts'

/** Docker Hub's key, everywhere. */
export const HUB = 'https://index.docker.io/v1/'

export interface Credentials {
  username: string
  password: string
  /** In place of a password. */
  identitytoken?: string
}

/**
 * `X-Registry-Auth` for the registry that `name` lives on; no header where nothing is known of it. `isStrict`: what a credential helper
 * complains of is thrown; else its credentials are none, as the Docker CLI has it in all commands but run and create.
 */
export async function readAuthHeader(
  name: string,
  config: ConfigFile,
  env: NodeJS.ProcessEnv,
  isStrict = false,
): Promise<Record<string, string>> {
  const [first = ''] = name.split('/')
  const isRemote = name.includes('/') && /[.:]|^localhost$/.test(first)
  const key = isRemote && first !== 'docker.io' && first !== 'index.docker.io' ? first : HUB
  const found = await findCredentials(config, key, env).catch((error: unknown) => {
    if (isStrict) throw error
    return undefined
  })
  if (found === undefined) return {}
  const { username, password, identitytoken } = found
  const auth = identitytoken ? { identitytoken } : { username, password }
  return { 'X-Registry-Auth': Buffer.from(JSON.stringify({ ...auth, serveraddress: key })).toString('base64url') }
}

/** Undefined where nobody knows any for this registry. */
export async function findCredentials(
  config: ConfigFile,
  key: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const given = env['DOCKER_AUTH_CONFIG']
  const fromEnvironment = given ? findInFile(JSON.parse(given) as ConfigFile, key) : undefined
  if (fromEnvironment !== undefined) return fromEnvironment
  const helper = helperFor(config, key)
  if (helper === undefined) return findInFile(config, key)
  const { getFromHelper } = await import('./credential-helper.ts')
  return getFromHelper(helper, key)
}

/** The program that keeps the credentials of a registry: `pass` stands for docker-credential-pass. */
export function helperFor(config: ConfigFile, key: string): string | undefined {
  return config.credHelpers?.[key] || config.credsStore || undefined
}

function findInFile(config: ConfigFile, key: string): Credentials | undefined {
  const auths = config.auths ?? {}
  // Older clients wrote addresses where newer ones write hosts.
  const entry = auths[key] ?? Object.entries(auths).find(([address]) => hostOf(address) === key)?.[1]
  if (entry === undefined) return undefined
  const text = Buffer.from(entry.auth ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const [username, password] =
    colon < 0
      ? [entry.username ?? '', entry.password ?? '']
      : [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, '')]
  if (entry.identitytoken) return { username, password: '', identitytoken: entry.identitytoken }
  return username === '' && password === '' ? undefined : { username, password }
}

/** `https://host:5000/v2/` is `host:5000`. */
export function hostOf(address: string): string {
  return address.replace(/^[a-z]+:\/\//, '').replace(/\/.*$/, '')
}
