// What `docker login` left in config.json, as the header the engine wants.
import { spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { readTextIfExists } from '../../base/atomic-file.ts'

interface ConfigFile {
  auths?: Record<string, { auth?: string; identitytoken?: string }>
  credsStore?: string
  credHelpers?: Record<string, string>
}

const HUB = 'https://index.docker.io/v1/'

/** `X-Registry-Auth` for the registry that `name` lives on; no header where nothing is known of it. */
export function readAuthHeader(name: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const text = readTextIfExists(join(env['DOCKER_CONFIG'] || join(homedir(), '.docker'), 'config.json'))
  if (text === undefined) return {}
  const config = JSON.parse(text) as ConfigFile
  const [first = ''] = name.split('/')
  const key = name.includes('/') && /[.:]|^localhost$/.test(first) && first !== 'docker.io' ? first : HUB
  const helper = config.credHelpers?.[key] ?? config.credsStore
  const found = helper === undefined ? fromFile(config, key) : fromHelper(helper, key)
  if (found === undefined) return {}
  return { 'X-Registry-Auth': Buffer.from(JSON.stringify({ ...found, serveraddress: key })).toString('base64url') }
}

type Credentials = { username: string; password: string } | { identitytoken: string }

function fromFile(config: ConfigFile, key: string): Credentials | undefined {
  const entry = config.auths?.[key] ?? config.auths?.[`https://${key}`]
  if (entry?.identitytoken) return { identitytoken: entry.identitytoken }
  if (!entry?.auth) return undefined
  const text = Buffer.from(entry.auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** docker-credential-helpers' protocol: the server on standard input, JSON on standard output. */
function fromHelper(helper: string, key: string): Credentials | undefined {
  if (!/^[\w.-]+$/.test(helper)) return undefined
  const { status, stdout } = spawnSync(`docker-credential-${helper}`, ['get'], {
    input: key,
    encoding: 'utf8',
    timeout: 30_000,
  })
  if (status !== 0) return undefined
  const { Username, Secret } = JSON.parse(stdout) as { Username: string; Secret: string }
  return Username === '<token>' ? { identitytoken: Secret } : { username: Username, password: Secret }
}
