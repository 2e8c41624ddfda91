// The configuration file, with the keys of the original registry's (distribution, docs/content/about/configuration.md), and its overrides
// from the environment: REGISTRY_HTTP_ADDR for http.addr.
import { parse } from 'yaml'
import { Failure, messageOf } from '../../../base/failure.ts'
import type { LogLevel } from '../../../base/log.ts'
import { type JsonObject, objectOf } from '../../../oci/json-shape.ts'
import { parseAccess } from './parse-access.ts'
import { parseListenAddress } from './parse-address.ts'
import { parseHealth } from './parse-health.ts'
import { parseNotifications } from './parse-notifications.ts'
import { parsePolicy } from './parse-policy.ts'
import { parseProxy } from './parse-proxy.ts'
import { parseS3 } from './parse-s3.ts'
import { Section } from './section.ts'
import type { DebugSettings, HttpSettings, Settings, StorageSettings, TlsSettings } from './settings.ts'

const HOUR_MS = 3_600_000
const CATALOG_MAX = 1000
/** Longer than the original's, which waits for nobody unless told to. */
const DRAIN_MS = 30_000
const PREFIX = 'REGISTRY_'

/** Throws Failure('invalid-argument') for what is not understood, and for keys that mean nothing here. */
export function parseConfig(text: string, environment: Readonly<Record<string, string | undefined>> = {}): Settings {
  const document = override(parseYaml(text), environment)
  const root = new Section(document)
  const version = root.text('version')
  if (version !== '0.1') throw root.wrong('version', '0.1')
  const settings: Settings = {
    log: parseLog(root.section('log'), root.text('loglevel')),
    ...parseStorage(root.section('storage')),
    http: parseHttp(root.section('http')),
    ...parseAccess(root.section('auth'), root.has('tokenservice') ? root.section('tokenservice') : undefined),
    validation: parseValidation(root.section('validation')),
    ...parsePolicy(root.section('policy')),
    upstreams: parseProxy(root.section('proxy')),
    health: parseHealth(root.section('health')),
    notifications: parseNotifications(root.section('notifications')),
    catalogMax: root.section('catalog').count('maxentries') ?? CATALOG_MAX,
  }
  root.finish()
  return settings
}

function parseYaml(text: string): JsonObject {
  let value: unknown
  try {
    // Aliases would let a small file become a large document.
    value = parse(text, { maxAliasCount: 100, schema: 'core' })
  } catch (error) {
    throw new Failure('invalid-argument', `configuration: ${messageOf(error)}`)
  }
  // `version: 0.1` is a number for YAML.
  return objectOf(value ?? {}, 'configuration')
}

/** Each word of the variable's name is a key, as deep as the words go; the value is YAML. */
function override(document: JsonObject, environment: Readonly<Record<string, string | undefined>>): JsonObject {
  const result: Record<string, unknown> = structuredClone(document)
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || value === undefined) continue
    const keys = name.slice(PREFIX.length).toLowerCase().split('_')
    const last = keys.pop() ?? ''
    let at = result
    for (const key of keys) {
      const inner = at[key]
      const next: Record<string, unknown> =
        typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? (inner as Record<string, unknown>) : {}
      at[key] = next
      at = next
    }
    at[last] = parse(value)
  }
  return result
}

function parseLog(log: Section, oldLevel: string | undefined): Settings['log'] {
  const level = log.text('level') ?? oldLevel ?? 'info'
  const known = LEVELS[level]
  if (known === undefined) throw log.wrong('level', `one of ${Object.keys(LEVELS).join(', ')}`)
  const fields = log.textLists('fields')
  return {
    level: known,
    format: log.oneOf('formatter', ['text', 'json']) ?? 'text',
    accessLog: !(log.section('accesslog').flag('disabled') ?? false),
    fields: Object.fromEntries(Object.entries(fields).map(([name, texts]) => [name, texts.join(',')])),
  }
}

const LEVELS: Readonly<Record<string, LogLevel>> = {
  ...{ trace: 'debug', debug: 'debug', info: 'info', warn: 'warn', warning: 'warn' },
  ...{ error: 'error', fatal: 'error', panic: 'error' },
}

function parseStorage(
  storage: Section,
): Pick<Settings, 'storage' | 'deletes' | 'readOnly' | 'uploadPurging' | 'collecting' | 'scrubbing'> {
  // Links and sizes are read where they lie: the kernel has them in memory. So there is no cache to choose, and nothing to redirect to.
  storage.section('cache').ignore('blobdescriptor', 'blobdescriptorsize')
  storage.section('redirect').ignore('disable')
  storage.section('tag').ignore('concurrencylimit')
  const deletes = storage.section('delete').flag('enabled') ?? false
  const maintenance = storage.section('maintenance')
  const purging = maintenance.section('uploadpurging')
  const collecting = maintenance.section('garbagecollection')
  const scrubbing = maintenance.section('scrub')
  return {
    storage: parseDriver(storage),
    deletes,
    readOnly: maintenance.section('readonly').flag('enabled') ?? false,
    uploadPurging: {
      enabled: purging.flag('enabled') ?? true,
      ageMs: purging.duration('age') ?? 168 * HOUR_MS,
      intervalMs: purging.duration('interval') ?? 24 * HOUR_MS,
      dryRun: purging.flag('dryrun') ?? false,
    },
    collecting: {
      enabled: collecting.flag('enabled') ?? false,
      intervalMs: collecting.duration('interval') ?? HOUR_MS,
      graceMs: collecting.duration('grace') ?? 24 * HOUR_MS,
      deleteUntagged: collecting.flag('deleteuntagged') ?? false,
    },
    scrubbing: {
      enabled: scrubbing.flag('enabled') ?? false,
      intervalMs: scrubbing.duration('interval') ?? 168 * HOUR_MS,
    },
  }
}

function parseDriver(storage: Section): StorageSettings {
  const drivers = ['filesystem', 'inmemory', 's3'].filter((name) => storage.has(name))
  if (drivers.length !== 1)
    throw new Failure('invalid-argument', 'configuration: storage must name one driver: filesystem, s3 or inmemory')
  if (storage.has('inmemory')) {
    storage.section('inmemory')
    return { kind: 'inmemory' }
  }
  if (storage.has('s3')) return { kind: 's3', ...parseS3(storage.section('s3')) }
  const filesystem = storage.section('filesystem')
  filesystem.ignore('maxthreads') // of the original's file accesses; ours are libuv's
  return { kind: 'filesystem', root: filesystem.text('rootdirectory') ?? '/var/lib/registry' }
}

function parseHttp(http: Section): HttpSettings {
  const network = http.oneOf('net', ['tcp', 'unix']) ?? 'tcp'
  const address = http.requiredText('addr')
  const prefix = http.text('prefix') ?? '/'
  if (!/^\/(?:[\w.~-]+\/)*$/.test(prefix)) throw http.wrong('prefix', 'a path that begins and ends with a slash')
  http.ignore('secret') // signs the state that the original puts into upload addresses; ours carry none
  http.section('http2').ignore('disabled') // no registry client needs it: bodies go over HTTP/1.1
  return {
    address: parseListenAddress(network, address),
    prefix,
    publicUrl: parsePublicUrl(http),
    relativeUrls: http.flag('relativeurls') ?? false,
    drainTimeoutMs: http.duration('draintimeout') ?? DRAIN_MS,
    headers: http.textLists('headers'),
    page: http.section('page').flag('enabled') ?? false,
    tls: parseTls(http.section('tls')),
    debug: parseDebug(http.section('debug')),
  }
}

function parsePublicUrl(http: Section): string | undefined {
  const host = http.text('host')
  if (host === undefined || host === '') return undefined
  if (!/^https?:\/\//.test(host) || !URL.canParse(host))
    throw http.wrong('host', 'an address such as https://example.org')
  return host.replace(/\/$/, '')
}

function parseDebug(debug: Section): DebugSettings | undefined {
  const address = debug.text('addr')
  const prometheus = debug.section('prometheus')
  const metricsPath = prometheus.text('path') ?? '/metrics'
  const isEnabled = prometheus.flag('enabled') ?? false
  if (address === undefined || address === '') return undefined
  return { address: parseListenAddress('tcp', address), metricsPath: isEnabled ? metricsPath : undefined }
}

function parseTls(tls: Section): TlsSettings | undefined {
  const [certificate, key] = [tls.text('certificate'), tls.text('key')]
  const clientAuthorities = tls.texts('clientcas')
  const clientAuth = tls.oneOf('clientauth', CLIENT_AUTH) ?? 'require-and-verify-client-cert'
  const minimum = tls.oneOf('minimumtls', ['tls1.2', 'tls1.3']) ?? 'tls1.2'
  if (certificate === undefined && key === undefined) return undefined
  if (certificate === undefined) throw tls.wrong('certificate', 'given beside the key')
  if (key === undefined) throw tls.wrong('key', 'given beside the certificate')
  return { certificate, key, clientAuthorities, clientAuth, minimum: minimum === 'tls1.3' ? 'TLSv1.3' : 'TLSv1.2' }
}

const CLIENT_AUTH: readonly TlsSettings['clientAuth'][] = [
  'request-client-cert',
  'require-any-client-cert',
  'verify-client-cert-if-given',
  'require-and-verify-client-cert',
]

function parseValidation(validation: Section): boolean {
  const enabled = validation.flag('enabled')
  const disabled = validation.flag('disabled')
  return enabled ?? !(disabled ?? false)
}
