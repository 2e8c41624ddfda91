// Where CLI plugins are, and what each says of itself.
import { execFile } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { COMMANDS, GROUPS } from '../command-index.ts'
import { configDirectory, loadConfigFile } from '../connection/config-file.ts'
import { compareNaturally } from '../format/natural-order.ts'
import { type Answer, candidateNames, type CliPlugin, fileOf, readMetadata, refuseName } from './cli-plugin.ts'

const SYSTEM_DIRECTORIES = ['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec'].map(
  (prefix) => `${prefix}/docker/cli-plugins`,
)
/** A program that does not answer must not keep `--help` for ever. */
const METADATA_MS = 10_000
const METADATA_BYTES_MAX = 1 << 20
const ERRNO_TEXT: Record<string, string> = {
  EACCES: 'permission denied',
  ENOENT: 'no such file or directory',
  ENOEXEC: 'exec format error',
}

/** Those that count more come first. What is wrong with the configuration is told when it is used. @param given of `--config` */
export function pluginDirectories(given: string | undefined, env: NodeJS.ProcessEnv): string[] {
  const directory = configDirectory(given, env)
  const { cliPluginsExtraDirs } = loadConfigFile(directory, () => {})
  const extra = Array.isArray(cliPluginsExtraDirs) ? cliPluginsExtraDirs.filter(isText) : []
  return [...extra, join(directory, 'cli-plugins'), ...SYSTEM_DIRECTORIES]
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** All that are there, wrong ones too, in their natural order. */
export async function listPlugins(directories: readonly string[]): Promise<CliPlugin[]> {
  const found = new Map<string, string[]>()
  for (const directory of directories)
    for (const name of candidateNames(readNames(directory)))
      found.set(name, [...(found.get(name) ?? []), join(directory, fileOf(name))])
  const plugins = [...found].map(([name, [path = '', ...shadowed]]) => askPlugin(name, path, shadowed))
  return (await Promise.all(plugins)).sort((a, b) => compareNaturally(a.name, b.name))
}

/** The one of that name that would be run; undefined where there is none, or the first one found is wrong. */
export async function findPlugin(name: string, directories: readonly string[]): Promise<CliPlugin | undefined> {
  if (refuseName(name, builtIn()) !== undefined) return undefined
  const paths = directories.map((directory) => join(directory, fileOf(name)))
  const path = paths.find((each) => statSync(each, { throwIfNoEntry: false }) !== undefined)
  const plugin = path === undefined ? undefined : await askPlugin(name, path, [])
  return plugin?.error === undefined ? plugin : undefined
}

async function askPlugin(name: string, path: string, shadowed: readonly string[]): Promise<CliPlugin> {
  const refusal = refuseName(name, builtIn())
  if (refusal !== undefined) return { metadata: {}, name, path, error: refusal, shadowed }
  return { ...readMetadata(await askForMetadata(path)), name, path, shadowed }
}

function askForMetadata(path: string): Promise<Answer> {
  return new Promise((resolve) => {
    const limits = { timeout: METADATA_MS, maxBuffer: METADATA_BYTES_MAX, encoding: 'utf8' } as const
    const cannotRun = (code: string) => resolve({ error: `fork/exec ${path}: ${ERRNO_TEXT[code] ?? code}` })
    try {
      execFile(path, ['docker-cli-plugin-metadata'], limits, (error, stdout) => {
        if (error === null) resolve({ output: stdout })
        else if (typeof error.code === 'string') cannotRun(error.code)
        else resolve({ error: error.signal ? `signal: ${error.signal}` : `exit status ${error.code}` })
      })
    } catch (error) {
      cannotRun((error as NodeJS.ErrnoException).code ?? String(error))
    }
  })
}

/** Regular files and links; a directory that is not there, or not ours to read, has none. */
function readNames(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true })
    return entries.flatMap((entry) => (entry.isFile() || entry.isSymbolicLink() ? [entry.name] : []))
  } catch {
    return []
  }
}

function builtIn(): ReadonlySet<string> {
  return new Set([
    ...COMMANDS.flatMap(({ paths }) => paths.filter((path) => !path.includes(' '))),
    ...Object.keys(GROUPS),
    'help',
  ])
}
