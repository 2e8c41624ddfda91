// A CLI plugin: a program called docker-<name> that says of itself what it is. Pure: what was found and what it said, judged in the Docker CLI's words.
import { goQuote } from '../../base/go/go-quote.ts'
import { messageOf } from '../../base/failure.ts'

/** What a plugin answers to `docker-cli-plugin-metadata`. */
export interface PluginMetadata {
  SchemaVersion?: string
  Vendor?: string
  Version?: string
  ShortDescription?: string
  URL?: string
}

export interface CliPlugin {
  metadata: PluginMetadata
  name: string
  path: string
  /** Why it is none, in the Docker CLI's words. */
  error: string | undefined
  /** Others of the same name, in places that count less. */
  shadowed: readonly string[]
}

/** How the program ended that was asked for its metadata. */
export type Answer = { output: string } | { error: string }

const NAME = /^[a-z][a-z0-9]*$/
const PREFIX = 'docker-'
const SCHEMA = '0.1.0'

/** Files of a directory that may be plugins, without the prefix. */
export function candidateNames(files: readonly string[]): string[] {
  return files.flatMap((file) => (file.startsWith(PREFIX) ? [file.slice(PREFIX.length)] : []))
}

export function fileOf(name: string): string {
  return `${PREFIX}${name}`
}

/** What rules a candidate out before it is run. @param builtIn names of the client's own commands. */
export function refuseName(name: string, builtIn: ReadonlySet<string>): string | undefined {
  if (!NAME.test(name)) return `plugin candidate ${goQuote(name)} did not match ${goQuote(NAME.source)}`
  return builtIn.has(name) ? `plugin ${goQuote(name)} duplicates builtin command` : undefined
}

/** What is said by a program of its own is taken as far as it has the right types. */
export function readMetadata(answer: Answer): { metadata: PluginMetadata; error: string | undefined } {
  if ('error' in answer) return { metadata: {}, error: `failed to fetch metadata: ${answer.error}` }
  let said: unknown
  try {
    said = JSON.parse(answer.output)
  } catch (error) {
    const why = answer.output.trim() === '' ? 'unexpected end of JSON input' : messageOf(error)
    return { metadata: {}, error: `invalid metadata: ${why}` }
  }
  const fields = ['SchemaVersion', 'Vendor', 'Version', 'ShortDescription', 'URL'] as const
  const metadata: PluginMetadata = {}
  for (const field of fields) {
    const value = (said as Record<string, unknown> | null)?.[field]
    if (typeof value === 'string' && value !== '') metadata[field] = value
  }
  const schema = metadata.SchemaVersion ?? ''
  if (schema !== SCHEMA)
    return { metadata, error: `plugin SchemaVersion ${goQuote(schema)} is not valid, must be ${SCHEMA}` }
  return { metadata, error: metadata.Vendor === undefined ? 'plugin metadata does not define a vendor' : undefined }
}

/** As `info` shows it to templates and as JSON, which leaves out what is empty. */
export function describePlugin({ metadata, name, path, error, shadowed }: CliPlugin): Record<string, unknown> {
  const { SchemaVersion = '', Vendor = '', Version = '', ShortDescription = '', URL = '' } = metadata
  const fields = { SchemaVersion, Vendor, Version, ShortDescription, URL, Name: name, Path: path }
  const whole = { ...fields, Err: error ?? null, ShadowedPaths: shadowed }
  for (const [key, value] of Object.entries(whole))
    if (value === null || value.length === 0) Object.defineProperty(whole, key, { enumerable: false })
  return whole
}
