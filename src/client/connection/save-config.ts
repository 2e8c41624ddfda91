// config.json written back: what this client knows in Docker's order, and what it does not know as it was.
import { mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { replaceFileSync } from '../../base/atomic-file.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { goJson, indentJson } from '../../base/go/go-json.ts'
import type { ConfigFile } from './config-file.ts'

const ORDER =
  'auths HttpHeaders psFormat imagesFormat networksFormat pluginsFormat volumesFormat statsFormat detachKeys credsStore credHelpers serviceInspectFormat servicesFormat tasksFormat secretFormat configFormat nodesFormat pruneFilters proxies currentContext cliPluginsExtraDirs plugins aliases features experimental'.split(
    ' ',
  )

/**
 * Changes the file as it is now: another program may have written it since it was read. The file a symbolic link leads to is
 * replaced, not the link; nobody else may read a new one.
 */
export function changeConfig(directory: string, change: (config: ConfigFile) => void): void {
  const path = `${directory}/config.json`
  const config = readCurrent(path)
  config.auths ??= {}
  change(config)
  const known = ORDER.filter((key) => key in config)
  const unknown = Object.keys(config).filter((key) => !ORDER.includes(key))
  const values = config as Record<string, unknown>
  const kept = Object.fromEntries(
    [...known, ...unknown].filter((key) => key === 'auths' || !isEmpty(values[key])).map((key) => [key, values[key]]),
  )
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const target = targetOf(path)
  replaceFileSync(target, indentJson(goJson(kept, true), '\t'), modeOf(target))
}

function readCurrent(path: string): ConfigFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  try {
    return text.trim() === '' ? {} : (JSON.parse(text) as ConfigFile)
  } catch (error) {
    // Written over, it would be lost.
    throw new Failure('invalid-argument', `Error parsing config file (${path}): ${messageOf(error)}`)
  }
}

function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return `${realpathSync(dirname(path))}/config.json`
  }
}

function modeOf(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
