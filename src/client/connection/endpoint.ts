// Which engine: --host, --context, DOCKER_HOST, DOCKER_CONTEXT, config.json, the default; and how it is reached.
import { existsSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import type { Target, TlsFiles } from './byte-stream.ts'
import type { ConfigFile } from './config-file.ts'
import type { Endpoint } from './connection.ts'

export const DEFAULT_HOST = 'unix:///run/berth.sock'

/** What the command line says of the engine. */
export interface EndpointFlags {
  hosts: readonly string[]
  context: string | undefined
  tls: boolean
  tlsVerify: boolean | undefined
  tlsCaCert: string | undefined
  tlsCert: string | undefined
  tlsKey: string | undefined
}

/** Where the engine is, with what its connection needs. */
export interface HostAndTls {
  host: string
  tls: TlsFiles | undefined
}

/** The name of the context that the engine comes from; `default` is what flags and environment say. */
export function chooseContext(flags: EndpointFlags, config: ConfigFile, env: NodeJS.ProcessEnv): string {
  if (flags.hosts.length > 0 && flags.context !== undefined)
    throw new Failure('invalid-argument', 'conflicting options: cannot specify both --host and --context')
  if (flags.context !== undefined) return flags.context
  if (flags.hosts.length > 0 || env['BERTH_HOST'] || env['DOCKER_HOST']) return 'default'
  return env['DOCKER_CONTEXT'] || config.currentContext || 'default'
}

/** Throws in the Docker CLI's words; nothing is connected yet. */
export async function resolveEndpoint(
  context: string,
  resolveDefault: () => HostAndTls,
  config: ConfigFile,
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<Endpoint> {
  if (context === 'default') {
    const { host, tls } = resolveDefault()
    return makeEndpoint(host, tls, config, env)
  }
  const { loadContext } = await import('./context-store.ts')
  const { host, tls } = loadContext(directory, context)
  return makeEndpoint(host, tls, config, env)
}

/** What flags and environment say, without any context. */
export function resolveDefault(flags: EndpointFlags, directory: string, env: NodeJS.ProcessEnv): HostAndTls {
  if (flags.hosts.length > 1) throw failedTo('Specify only one -H')
  const tls = tlsFiles(flags, directory, env)
  const given = flags.hosts[0] || env['BERTH_HOST'] || env['DOCKER_HOST']
  return { host: (given || (tls === undefined ? DEFAULT_HOST : 'tcp://localhost:2376')).trim(), tls }
}

export function failedTo(why: string): Failure {
  return new Failure('invalid-argument', `Failed to initialize: unable to resolve docker endpoint: ${why}`)
}

function tlsFiles(flags: EndpointFlags, directory: string, env: NodeJS.ProcessEnv): TlsFiles | undefined {
  const verify = flags.tlsVerify ?? Boolean(env['DOCKER_TLS_VERIFY'])
  if (!(flags.tls || flags.tlsVerify !== undefined || verify || env['DOCKER_TLS'])) return undefined
  const certificates = env['DOCKER_CERT_PATH'] || directory
  const ifThere = (path: string) => (existsSync(path) ? path : undefined)
  const files = {
    ca: flags.tlsCaCert ?? `${certificates}/ca.pem`,
    cert: flags.tlsCert ?? ifThere(`${certificates}/cert.pem`),
    key: flags.tlsKey ?? ifThere(`${certificates}/key.pem`),
  }
  for (const path of [files.ca, files.cert, files.key])
    if (path !== undefined && path !== '' && !existsSync(path))
      throw failedTo(`open ${path}: no such file or directory`)
  return { ...files, verify }
}

function makeEndpoint(given: string, tls: TlsFiles | undefined, config: ConfigFile, env: NodeJS.ProcessEnv): Endpoint {
  const { host, target, hostHeader, basePath } = parseHost(given, tls)
  return {
    host,
    target,
    hostHeader,
    basePath,
    headers: { ...config.HttpHeaders, ...customHeaders(env['DOCKER_CUSTOM_HEADERS']) },
    apiVersion: env['DOCKER_API_VERSION']?.replace(/^v/, '') || undefined,
  }
}

/** `name=value,name=value`, as DOCKER_CUSTOM_HEADERS holds them. */
function customHeaders(text: string | undefined): Record<string, string> {
  if (!text) return {}
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1)]
    }),
  )
}

type ParsedHost = Pick<Endpoint, 'host' | 'target' | 'hostHeader' | 'basePath'>

export function parseHost(given: string, tls: TlsFiles | undefined): ParsedHost {
  const separator = given.indexOf('://')
  const scheme = separator < 0 ? 'tcp' : given.slice(0, separator)
  const rest = separator < 0 ? given : given.slice(separator + 3)
  if (scheme === 'unix') {
    const path = rest === '' ? DEFAULT_HOST.slice('unix://'.length) : rest
    return { host: `unix://${path}`, target: { kind: 'unix', path }, hostHeader: 'docker', basePath: '' }
  }
  if (scheme === 'ssh') return parseSshHost(given)
  if (scheme !== 'tcp' && scheme !== 'http') throw failedTo(`invalid bind address format: ${given}`)
  const match = /^(\[[^\]]*\]|[^/:]*)(?::(\d*))?(\/.*)?$/.exec(rest)
  if (match === null) throw failedTo(`invalid bind address format: ${given}`)
  const name = match[1] || 'localhost'
  const port = Number(match[2] || 2375)
  const target: Target = { kind: 'tcp', host: name.replace(/^\[|\]$/g, ''), port, ...(tls ? { tls } : {}) }
  const basePath = (match[3] ?? '').replace(/\/$/, '')
  return { host: `${scheme}://${name}:${port}${basePath}`, target, hostHeader: `${name}:${port}`, basePath }
}

/** `ssh HOST docker system dial-stdio`: the far side's client connects its standard streams to its engine. */
function parseSshHost(given: string): ParsedHost {
  let url: URL
  try {
    url = new URL(given)
  } catch {
    throw failedTo(`ssh host connection is not valid: ${given}`)
  }
  const refuse = (why: string) => failedTo(`ssh host connection is not valid: ${why}`)
  if (url.password !== '') throw refuse('plain-text password is not supported')
  if (url.hostname === '') throw refuse('no host specified')
  if (url.search !== '' || url.hash !== '')
    throw refuse(`query parameters are not allowed: ${JSON.stringify(url.search || url.hash)}`)
  const path = url.pathname === '/' ? '' : url.pathname
  const argv = [
    ...['ssh', '-o', 'ConnectTimeout=30', '-T'],
    ...(url.username === '' ? [] : ['-l', decodeURIComponent(url.username)]),
    ...(url.port === '' ? [] : ['-p', url.port]),
    ...['--', url.hostname, 'docker'],
    ...(path === '' ? [] : [`--host=${quoteForShell(`unix://${path}`)}`]),
    ...['system', 'dial-stdio'],
  ]
  return { host: given, target: { kind: 'command', argv }, hostHeader: 'docker.example.com', basePath: '' }
}

/** ssh hands its words to the far side's shell. */
function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
