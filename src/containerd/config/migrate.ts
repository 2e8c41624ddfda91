// Older files brought to the newest version, one version at a time.
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { isTable } from './check-document.ts'
import { CONFIG_VERSION, type Document } from './schema.ts'

/** By the short names of version 1, where a plugin's kind can't be guessed from it. */
const KINDS_OF_VERSION_1: Readonly<Record<string, readonly string[]>> = {
  grpc: ['cri'],
  monitor: ['cgroups'],
  gc: ['scheduler'],
  metadata: ['bolt'],
  internal: ['opt', 'restart', 'tracing'],
  snapshotter: ['aufs', 'btrfs', 'devmapper', 'native', 'overlayfs', 'zfs', 'windows', 'windows-lcow'],
}
const NAMES_OF_VERSION_1 = new Map<string, string>([
  ['linux', 'io.containerd.runtime.v1.linux'],
  ['task', 'io.containerd.runtime.v2.task'],
  ...Object.entries(KINDS_OF_VERSION_1).flatMap(([kind, ids]) =>
    ids.map((id): [string, string] => [id, `io.containerd.${kind}.v1.${id}`]),
  ),
])

/** A file that does not say its version is of version 1. Throws where it is newer than anything known here. */
export function versionOf(document: Document): number {
  const version = document['version'] ?? 0
  if (typeof version !== 'number' || version < 0 || version > CONFIG_VERSION)
    throw new Failure(
      'invalid-argument',
      `expected containerd config version equal to or less than \`${CONFIG_VERSION}\`, got \`${version}\``,
    )
  return Math.max(version, 1)
}

/** The same settings in the words of the newest version. */
export function migrate(document: Document, log: Log): Document {
  const version = versionOf(document)
  if (version === CONFIG_VERSION) return document
  log.warn(`Configuration migrated from version ${version}, use \`containerd config migrate\` to avoid migration`)
  // From 2 to 3 only sections of plugins changed that are not served here.
  return { ...(version < 2 ? nameInFull(document, log) : document), version: CONFIG_VERSION }
}

function nameInFull(document: Document, log: Log): Document {
  const plugins = isTable(document['plugins']) ? document['plugins'] : undefined
  const lists = ['disabled_plugins', 'required_plugins'].flatMap((key) => {
    const names = document[key]
    return Array.isArray(names) ? [[key, names.map((name) => fullName(String(name), log))] as const] : []
  })
  return {
    ...document,
    ...Object.fromEntries(lists),
    ...(plugins && {
      plugins: Object.fromEntries(Object.entries(plugins).map(([name, section]) => [fullName(name, log), section])),
    }),
  }
}

function fullName(name: string, log: Log): string {
  if (name.includes('.')) return name
  if (name.endsWith('-service')) return `io.containerd.service.v1.${name}`
  const full = NAMES_OF_VERSION_1.get(name) ?? `io.containerd.grpc.v1.${name}`
  if (!NAMES_OF_VERSION_1.has(name) || name.startsWith('windows'))
    log.warn(`Ambiguous ${name} plugin in v1 config, treating as ${full}`)
  return full
}
