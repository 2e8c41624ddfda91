// A directory of registry hosts, as containerd and Docker have it: per registry a `hosts.toml` (its mirrors, certificates, headers), or
// certificates alone (`*.crt`, `*.cert` with `*.key`).
import { readdir, readFile, stat } from 'node:fs/promises'
import { isAbsolute, join, posix } from 'node:path'
import { parse } from 'smol-toml'
import { Failure, messageOf, withSubject } from '../../base/failure.ts'
import { booleanOf, type JsonObject, listOf, objectOf, optional, stringOf } from '../../oci/json-shape.ts'
import type { TlsFiles } from '../upstream/tls-files.ts'
import { type Endpoint, isLoopback } from './endpoint.ts'

export type Capability = 'pull' | 'resolve' | 'push' | 'referrers'

export interface RegistryHost extends Endpoint {
  capabilities: ReadonlySet<Capability>
}

export interface HostsOptions {
  /** Holds a directory per registry; undefined or missing ones are as good as empty. */
  directory: string | undefined
  /** `http` for registries that are not configured otherwise. */
  defaultScheme: string
  /** Told of a hosts.toml that could not be read; its directory's certificates are taken all the same. */
  warn(message: string): void
}

const ALL: ReadonlySet<Capability> = new Set(['pull', 'resolve', 'push', 'referrers'])
const HUB = 'docker.io'
const HUB_HOST = 'registry-1.docker.io'

interface HostEntry {
  server: string
  capabilities: ReadonlySet<Capability>
  tls: TlsFiles | undefined
  skipVerify: boolean | undefined
  headers: Record<string, string>
  overridePath: boolean
  dialTimeoutMs: number | undefined
}

/** The hosts to ask for a registry's repositories, in their order; mirrors come first, the registry itself is the last. */
export async function loadHosts(domain: string, options: HostsOptions): Promise<RegistryHost[]> {
  const entries = await loadEntries(domain, options)
  return entries.map((entry) => {
    const host = hostOf(domain, entry, options.defaultScheme)
    const isOwn = host.host === domain || (domain === HUB && host.host === HUB_HOST)
    return isOwn ? host : { ...host, isMirror: true, namespace: domain }
  })
}

async function loadEntries(domain: string, options: HostsOptions): Promise<HostEntry[]> {
  const home = options.directory === undefined ? undefined : await findHome(options.directory, domain)
  if (home === undefined) return [plainEntry(undefined)]
  const text = await readFile(join(home, 'hosts.toml'), 'utf8').catch(ifMissing(''))
  if (text === '') return [plainEntry(await loadCertificates(home))]
  try {
    return await parseHostsFile(text, home)
  } catch (error) {
    options.warn(`failed to decode ${join(home, 'hosts.toml')}: ${messageOf(error)}`)
    return [plainEntry(await loadCertificates(home))]
  }
}

/** `registry.example_5000_`, `registry.example:5000`, `_default`. */
async function findHome(directory: string, domain: string): Promise<string | undefined> {
  if (!/^[A-Za-z0-9.:[\]-]+$/.test(domain) || /^\.+$/.test(domain))
    throw new Failure('invalid-argument', `invalid registry host ${JSON.stringify(domain)}: invalid argument`)
  const names = [domain.replace(/:(\d+)$/, '_$1_'), domain, '_default']
  for (const name of names)
    if (await stat(join(directory, name)).catch(ifMissing(undefined))) return join(directory, name)
  return undefined
}

async function parseHostsFile(text: string, home: string): Promise<HostEntry[]> {
  const file = parse(text) as JsonObject
  const hosts = objectOf(file['host'] ?? {}, 'host')
  const entries: HostEntry[] = []
  // In the order of the file: the parser keeps it.
  for (const [server, value] of Object.entries(hosts))
    entries.push(await parseEntry(server, objectOf(value, `host.${server}`), home))
  entries.push(await parseEntry(optional(file['server'], 'server', stringOf) ?? '', file, home))
  return entries
}

async function parseEntry(server: string, table: JsonObject, home: string): Promise<HostEntry> {
  const { authorities, pairs } = {
    authorities: await readAll(filesOf(table['ca'], 'ca'), home),
    pairs: await readPairs(table['client'], home),
  }
  const timeout = optional(table['dial_timeout'], 'dial_timeout', stringOf)
  return {
    server,
    capabilities: parseCapabilities(table['capabilities']),
    tls: authorities.length + pairs.length === 0 ? undefined : { authorities, pairs },
    skipVerify: optional(table['skip_verify'], 'skip_verify', booleanOf),
    headers: parseHeaders(table['header']),
    overridePath: optional(table['override_path'], 'override_path', booleanOf) ?? false,
    dialTimeoutMs: timeout === undefined ? undefined : parseDuration(timeout),
  }
}

function parseCapabilities(value: unknown): ReadonlySet<Capability> {
  const names = listOf(value, 'capabilities', stringOf).map((name) => name.toLowerCase())
  const strange = names.find((name) => !ALL.has(name as Capability))
  if (strange !== undefined) throw new Failure('invalid-argument', `unknown capability ${strange}`)
  return names.length === 0 ? ALL : new Set(names as Capability[])
}

function parseHeaders(value: unknown): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, text] of Object.entries(objectOf(value ?? {}, 'header')))
    headers[name] = typeof text === 'string' ? text : listOf(text, `header ${name}`, stringOf).join(', ')
  return headers
}

function filesOf(value: unknown, what: string): string[] {
  return typeof value === 'string' ? [value] : listOf(value, what, stringOf)
}

/** A file with both parts, or a certificate and its key. */
async function readPairs(value: unknown, home: string): Promise<TlsFiles['pairs']> {
  const list = typeof value === 'string' ? [value] : listOf(value, 'client', (entry) => entry)
  return Promise.all(
    list.map(async (entry) => {
      const files = filesOf(entry, 'client')
      if (files.length === 0 || files.length > 2)
        throw new Failure('invalid-argument', `invalid pair ${JSON.stringify(entry)} for "client"`)
      const [certificate = '', key = certificate] = await readAll(files, home)
      return { certificate, key }
    }),
  )
}

function readAll(files: readonly string[], home: string): Promise<string[]> {
  return Promise.all(
    files.map(async (file) => {
      const path = isAbsolute(file) ? file : join(home, file)
      return readFile(path, 'utf8').catch((error: unknown) => {
        throw withSubject(`unable to read certificate ${JSON.stringify(path)}`, error)
      })
    }),
  )
}

async function loadCertificates(home: string): Promise<TlsFiles | undefined> {
  const names = (await readdir(home).catch(ifMissing([]))).sort()
  const authorities = await readAll(
    names.filter((name) => name.endsWith('.crt')),
    home,
  )
  const certificates = names.filter((name) => name.endsWith('.cert'))
  const pairs = await readPairs(
    certificates.map((name) => {
      const key = name.replace(/\.cert$/, '.key')
      return names.includes(key) ? [name, key] : [name]
    }),
    home,
  )
  return authorities.length + pairs.length === 0 ? undefined : { authorities, pairs }
}

function plainEntry(tls: TlsFiles | undefined): HostEntry {
  return {
    server: '',
    capabilities: ALL,
    tls,
    skipVerify: undefined,
    headers: {},
    overridePath: false,
    dialTimeoutMs: undefined,
  }
}

function hostOf(domain: string, entry: HostEntry, defaultScheme: string): RegistryHost {
  const { tls, headers, capabilities, dialTimeoutMs } = entry
  const place = entry.server === '' ? ownPlace(domain, entry, defaultScheme) : serverPlace(entry)
  return {
    ...place,
    isMirror: false,
    capabilities,
    headers,
    ...(tls === undefined ? {} : { tls }),
    ...(dialTimeoutMs === undefined ? {} : { dialTimeoutMs }),
  }
}

type Place = Pick<RegistryHost, 'host' | 'schemes' | 'insecure' | 'apiPath'>

/** The registry itself. On loopback, port and all being equal, TLS is tried first, and its certificate is nobody's concern. */
function ownPlace(domain: string, { tls, skipVerify }: HostEntry, defaultScheme: string): Place {
  if (domain === HUB) return { host: HUB_HOST, schemes: ['https'], insecure: skipVerify ?? false }
  const port = /:(\d+)$/.exec(domain)?.[1] ?? ''
  const isLocal = isLoopback(domain) && defaultScheme === ''
  const insecure = skipVerify ?? (isLocal && port !== '80')
  const isHttp = isLocal ? port !== '' && port !== '443' : defaultScheme === 'http'
  const isConfigured = tls !== undefined || skipVerify !== undefined || isLocal
  return { host: domain, schemes: schemesOf(isHttp, isConfigured && port !== '80'), insecure }
}

function serverPlace({ server, overridePath, tls, skipVerify }: HostEntry): Place {
  const url = new URL(/^http/.test(server) ? server : `https://${server}`)
  const path = url.pathname === '/' ? '' : posix.normalize(url.pathname).replace(/\/$/, '')
  const apiPath = overridePath || path.endsWith('/v2') ? path : `${path}/v2`
  const isConfigured = (tls !== undefined || skipVerify !== undefined) && url.port !== '' && url.port !== '80'
  return {
    host: url.host,
    schemes: schemesOf(url.protocol === 'http:', isConfigured),
    insecure: skipVerify ?? false,
    apiPath,
  }
}

/** Who configured TLS for a host that is said to speak HTTP has it tried first. */
function schemesOf(isHttp: boolean, isAmbiguous: boolean): Endpoint['schemes'] {
  if (!isHttp) return ['https']
  return isAmbiguous ? ['https', 'http'] : ['http']
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Go's notation: `10s`, `1m30s`, `500ms`. */
function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text)
    throw new Failure('invalid-argument', `time: invalid duration ${JSON.stringify(text)}`)
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit!]!, 0)
}

function ifMissing<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return instead
    throw error
  }
}
