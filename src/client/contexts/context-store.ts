// All contexts on disk, as the Docker CLI keeps them: read, written and removed. The default one is what flags and environment say.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { replaceFileSync } from '../../base/atomic-file.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { goJson, sortKeys } from '../../base/go/go-json.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import type { Shell } from '../command.ts'
import { contextPaths } from '../connection/context-store.ts'
import type { HostAndTls } from '../connection/endpoint.ts'
import { compareNaturally } from '../format/natural-order.ts'

export const DEFAULT_CONTEXT = 'default'

export interface DockerEndpoint {
  Host?: string
  SkipTLSVerify: boolean
}

export interface ContextMetadata {
  Name: string
  Metadata: Record<string, unknown>
  /** `docker`, and what other programs keep here. */
  Endpoints: Record<string, unknown>
}

/** Contents by file name. */
export type TlsData = Record<string, Buffer>

const NAME_PATTERN = '^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$'

/** Throws in the Docker CLI's words. */
export function checkContextName(name: string): void {
  const refuse = (why: string) => new Failure('invalid-argument', why)
  if (name === '') throw refuse('context name cannot be empty')
  if (name === DEFAULT_CONTEXT) throw refuse('"default" is a reserved context name')
  if (!new RegExp(NAME_PATTERN).test(name))
    throw refuse(
      `context name ${goQuote(name)} is invalid, names are validated against regexp ${goQuote(NAME_PATTERN)}`,
    )
}

export function dockerEndpointOf({ Endpoints }: ContextMetadata): DockerEndpoint | undefined {
  return Endpoints['docker'] as DockerEndpoint | undefined
}

export class ContextStore {
  readonly #directory: string
  readonly #resolveDefault: () => HostAndTls

  constructor({ configDirectory, resolveDefault }: Pick<Shell, 'configDirectory' | 'resolveDefault'>) {
    this.#directory = configDirectory
    this.#resolveDefault = resolveDefault
  }

  /** In the natural order of their names, the default among them. */
  list(): ContextMetadata[] {
    const root = `${this.#directory}/contexts/meta`
    const ids = existsSync(root) ? readdirSync(root) : []
    const stored = ids
      .map((id) => `${root}/${id}/meta.json`)
      .filter((path) => existsSync(path))
      .map(readMetadata)
    return [...stored, this.#default()].sort((a, b) => compareNaturally(a.Name, b.Name))
  }

  has(name: string): boolean {
    return existsSync(`${this.paths(name).metadata}/meta.json`)
  }

  /** Throws Failure('not-found') where there is none. */
  require(name: string): ContextMetadata {
    if (name === DEFAULT_CONTEXT) return this.#default()
    const path = `${this.paths(name).metadata}/meta.json`
    if (!existsSync(path))
      throw new Failure(
        'not-found',
        `context ${goQuote(name)}: context not found: open ${path}: no such file or directory`,
      )
    return readMetadata(path)
  }

  /** Directories of a context; those of the default one do not exist. */
  paths(name: string): { metadata: string; tls: string } {
    if (name === DEFAULT_CONTEXT) return { metadata: '<IN MEMORY>', tls: '<IN MEMORY>' }
    return contextPaths(this.#directory, name)
  }

  save({ Name, Metadata, Endpoints }: ContextMetadata): void {
    const directory = this.paths(Name).metadata
    mkdirSync(directory, { recursive: true, mode: 0o755 })
    const text = goJson({ Name, Metadata: sortKeys(Metadata), Endpoints: sortKeys(Endpoints) }, true)
    replaceFileSync(`${directory}/meta.json`, text, 0o644)
  }

  remove(name: string): void {
    const { metadata, tls } = this.paths(name)
    rmSync(metadata, { recursive: true, force: true })
    rmSync(tls, { recursive: true, force: true })
  }

  /** By endpoint. */
  readTls(name: string): Record<string, TlsData> {
    if (name === DEFAULT_CONTEXT) return this.#defaultTls()
    const { tls } = this.paths(name)
    if (!existsSync(tls)) return {}
    return Object.fromEntries(
      readdirSync(tls)
        .sort()
        .map((endpoint) => [endpoint, readFiles(`${tls}/${endpoint}`)]),
    )
  }

  /** Replaces all that the endpoint had. */
  saveTls(name: string, endpoint: string, files: TlsData): void {
    const directory = `${this.paths(name).tls}/${endpoint}`
    rmSync(directory, { recursive: true, force: true })
    if (Object.keys(files).length === 0) return
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const [file, bytes] of Object.entries(files)) replaceFileSync(`${directory}/${file}`, bytes, 0o600)
  }

  #default(): ContextMetadata {
    const { host, tls } = this.#resolveDefault()
    const docker: DockerEndpoint = { Host: host, SkipTLSVerify: tls !== undefined && !tls.verify }
    return { Name: DEFAULT_CONTEXT, Metadata: {}, Endpoints: { docker } }
  }

  #defaultTls(): Record<string, TlsData> {
    const { tls } = this.#resolveDefault()
    const named = [
      ['ca.pem', tls?.ca],
      ['cert.pem', tls?.cert],
      ['key.pem', tls?.key],
    ] as const
    const files = named.flatMap(([file, path]) => (path ? [[file, readFileSync(path)] as const] : []))
    return files.length === 0 ? {} : { docker: Object.fromEntries(files) }
  }
}

function readFiles(directory: string): TlsData {
  const names = readdirSync(directory).sort()
  return Object.fromEntries(names.map((file) => [file, readFileSync(`${directory}/${file}`)]))
}

function readMetadata(path: string): ContextMetadata {
  try {
    return parseMetadata(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new Failure('invalid-argument', `parsing ${path}: ${messageOf(error)}`)
  }
}

/** Throws where the text is no description of a context. */
export function parseMetadata(text: string): ContextMetadata {
  const parsed = parseObject(text)
  const { Name, Metadata, Endpoints } = parsed
  const endpoints = isObject(Endpoints) ? Endpoints : {}
  const docker = Object.hasOwn(endpoints, 'docker') ? endpoints['docker'] : undefined
  return {
    Name: typeof Name === 'string' ? Name : '',
    Metadata: isObject(Metadata) ? Metadata : {},
    Endpoints: { ...endpoints, ...(isObject(docker) ? { docker: readDocker(docker) } : {}) },
  }
}

function parseObject(text: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new Failure('invalid-argument', messageOf(error), { cause: error })
  }
  if (isObject(parsed)) return parsed
  throw new Failure('invalid-argument', 'invalid context: the metadata is no object')
}

function readDocker({ Host, SkipTLSVerify }: Record<string, unknown>): DockerEndpoint {
  if (Host !== undefined && typeof Host !== 'string')
    throw new Failure('invalid-argument', 'invalid context: the host of the docker endpoint is no text')
  return { ...(Host === undefined ? {} : { Host }), SkipTLSVerify: SkipTLSVerify === true }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
