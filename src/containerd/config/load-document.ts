// A config.toml with all that it imports, as one document of the newest version.
import { existsSync, readdirSync } from 'node:fs'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { isTable } from './check-document.ts'
import { migrate } from './migrate.ts'
import { readConfigFile } from './read-file.ts'
import type { Document } from './schema.ts'

/** The file, then what it imports in that order, then what those import: whoever comes later wins. Throws Failure with file and place. */
export function loadDocument(path: string, log: Log): Document {
  let merged: Document = {}
  const loaded = new Set<string>()
  const pending = [path]
  for (let file = pending.shift(); file !== undefined; file = pending.shift()) {
    if (loaded.has(file)) continue // files may import each other
    loaded.add(file)
    const document = loadOne(file, log)
    merged = mergeDocuments(merged, document)
    pending.push(...resolveImports(file, (document['imports'] ?? []) as string[]))
  }
  checkPluginNames(merged, path)
  return merged
}

function loadOne(path: string, log: Log): Document {
  try {
    return migrate(readConfigFile(path, log), log)
  } catch (error) {
    throw new Failure('invalid-argument', `failed to load TOML: ${path}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * What `over` says wins, where it says anything: an empty text, 0 and false are what a file has that does not mention a key.
 * Lists are joined without doubles; tables of named things (plugins, timeouts, …) by name, each replaced as a whole.
 */
export function mergeDocuments(under: Document, over: Document): Document {
  const merged = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key]
    if (Array.isArray(value) && Array.isArray(before))
      merged[key] = [...before, ...value.filter((item) => !before.some((known) => isDeepStrictEqual(known, item)))]
    else if (isTable(value) && isTable(before))
      merged[key] = REPLACED_BY_NAME.has(key) ? { ...before, ...value } : mergeDocuments(before, value)
    else if (before === undefined || !isZero(value)) merged[key] = value
  }
  return merged
}

const REPLACED_BY_NAME = new Set(['plugins', 'proxy_plugins', 'stream_processors', 'timeouts'])

function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false
}

function resolveImports(parent: string, imports: readonly string[]): string[] {
  return imports.flatMap((name) => {
    const path = normalize(isAbsolute(name) ? name : join(dirname(parent), name))
    return path.includes('*') ? expandGlob(path) : [path]
  })
}

/** What a file leaves open is filled in, within its plugins' sections, too. */
export function withDefaults(document: Document, defaults: Document): Document {
  const plugins = { ...(defaults['plugins'] as Document) }
  for (const [name, section] of Object.entries((document['plugins'] ?? {}) as Document)) {
    const before = plugins[name]
    plugins[name] = isTable(before) && isTable(section) ? { ...before, ...section } : section
  }
  return { ...mergeDocuments(defaults, document), plugins }
}

/** As filepath.Glob: no star reaches over a slash, and what does not match anything is no error. Sorted. */
function expandGlob(pattern: string): string[] {
  let found = ['/']
  for (const part of pattern.split('/').filter((name) => name !== '')) {
    if (!/[*?[]/.test(part)) {
      found = found.map((directory) => join(directory, part)).filter((path) => existsSync(path))
      continue
    }
    const matches = patternOf(part)
    found = found.flatMap((directory) =>
      namesIn(directory).flatMap((name) => (matches.test(name) ? [join(directory, name)] : [])),
    )
  }
  return found
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort()
  } catch {
    return [] // not a directory, or not ours to read
  }
}

function patternOf(part: string): RegExp {
  const source = part.replace(/\[\^?[^\]]+\]|[*?]|[\\^$.|+(){}[\]]/g, (token) => {
    if (token === '*') return '.*'
    if (token === '?') return '.'
    return token.length > 1 ? token : `\\${token}`
  })
  return new RegExp(`^${source}$`, 's')
}

function checkPluginNames(document: Document, path: string): void {
  for (const kind of ['disabled', 'required'] as const)
    for (const name of (document[`${kind}_plugins`] ?? []) as string[])
      if (!name.includes('.'))
        throw new Failure(
          'invalid-argument',
          `failed to load TOML from ${path}: invalid ${kind} plugin URI ${JSON.stringify(name)} expect io.containerd.x.vx`,
        )
}
