// What `docker login` left in config.json, as the header the engine wants.
import type { ConfigFile } from './config-file.ts'

const HUB = 'https://index.docker.io/v1/'

/** `X-Registry-Auth` for the registry that `name` lives on; no header where nothing is known of it. */
export async function readAuthHeader(
  name: string,
  config: ConfigFile,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const [first = ''] = name.split('/')
  const isRemote = name.includes('/') && /[.:]|^localhost$/.test(first)
  const key = isRemote && first !== 'docker.io' && first !== 'index.docker.io' ? first : HUB
  const helper = config.credHelpers?.[key] ?? config.credsStore
  const found =
    fromEnvironment(env['DOCKER_AUTH_CONFIG'], key) ??
    (helper === undefined ? fromFile(config, key) : await fromHelper(helper, key))
  if (found === undefined) return {}
  return { 'X-Registry-Auth': Buffer.from(JSON.stringify({ ...found, serveraddress: key })).toString('base64url') }
}

type Credentials = { username: string; password: string } | { identitytoken: string }

function fromEnvironment(text: string | undefined, key: string): Credentials | undefined {
  return text ? fromFile(JSON.parse(text) as ConfigFile, key) : undefined
}

function fromFile(config: ConfigFile, key: string): Credentials | undefined {
  const entry = config.auths?.[key] ?? config.auths?.[`https://${key}`] ?? config.auths?.[`http://${key}`]
  if (entry?.identitytoken) return { identitytoken: entry.identitytoken }
  if (!entry?.auth) return undefined
  const text = Buffer.from(entry.auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** docker-credential-helpers' protocol: the server on standard input, JSON on standard output. */
async function fromHelper(helper: string, key: string): Promise<Credentials | undefined> {
  if (!/^[\w.-]+$/.test(helper)) return undefined
  const { spawnSync } = await import('node:child_process')
  const { status, stdout } = spawnSync(`docker-credential-${helper}`, ['get'], {
    input: key,
    encoding: 'utf8',
    timeout: 30_000,
  })
  if (status !== 0) return undefined
  const { Username, Secret } = JSON.parse(stdout) as { Username: string; Secret: string }
  return Username === '<token>' ? { identitytoken: Secret } : { username: Username, password: Secret }
}
