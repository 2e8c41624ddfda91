// daemon.json: which of its keys are known, which clash with flags.
import { readFileSync, statSync } from 'node:fs'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { IGNORED_KEYS, REFUSED_KEYS, SETTINGS } from './setting-table.ts'
import { formatValue, fromJson, isObject, type SettingValue } from './setting-value.ts'

const FILE_BYTES_MAX = 1024 * 1024

export interface ConfigFile {
  readonly values: ReadonlyMap<string, SettingValue>
  /** Docker's keys that have no effect here. */
  readonly ignored: readonly string[]
}

/** An absent file is an empty one unless `isRequired`. Throws with Docker's text around the reason. */
export function readConfigFile(
  path: string,
  isRequired: boolean,
  flags: ReadonlyMap<string, SettingValue>,
): ConfigFile {
  try {
    const text = readText(path, isRequired)
    return text === undefined ? { values: new Map(), ignored: [] } : parseConfigFile(text, flags)
  } catch (error) {
    const reason = messageOf(error)
    const code = isFailure(error) ? error.code : 'internal'
    throw new Failure(code, `unable to configure the Docker daemon with file ${path}: ${reason}`, { cause: error })
  }
}

/** The file's text is its owner's, not trusted to be well-formed. */
export function parseConfigFile(text: string, flags: ReadonlyMap<string, SettingValue>): ConfigFile {
  const keys = parseObject(text)
  const unknown = Object.keys(keys).filter((key) => !isKnown(key))
  if (unknown.length > 0)
    throw invalid(`the following directives don't match any configuration option: ${unknown.join(', ')}`)
  const clashes = Object.keys(keys)
    .filter((key) => flags.has(key))
    .sort()
    .map((key) => `${key}: (from flag: ${formatValue(flags.get(key))}, from file: ${formatValue(keys[key])})`)
  if (clashes.length > 0)
    throw invalid(
      `the following directives are specified both as a flag and in the configuration file: ${clashes.join(', ')}`,
    )
  const refused = Object.keys(keys).filter((key) => REFUSED_KEYS.has(key) && isSet(keys[key]))
  if (refused.length > 0) throw invalid(`the following directives are not supported: ${refused.join(', ')}`)
  const values = new Map(
    SETTINGS.filter(({ key }) => key in keys).map((setting) => [setting.key, fromJson(setting, keys[setting.key])]),
  )
  return { values, ignored: Object.keys(keys).filter((key) => IGNORED_KEYS.has(key)) }
}

function readText(path: string, isRequired: boolean): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) {
    if (!isRequired) return undefined
    throw invalid(`open ${path}: no such file or directory`)
  }
  if (!found.isFile() || found.size > FILE_BYTES_MAX) throw invalid(`open ${path}: not a configuration file`)
  return readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
}

function parseObject(text: string): Record<string, unknown> {
  if (text.trim() === '') return {}
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw invalid(`invalid JSON: ${/end of JSON/.test(messageOf(error)) ? 'unexpected EOF' : messageOf(error)}`)
  }
  if (parsed === null) return {}
  if (!isObject(parsed)) throw invalid('invalid JSON: not an object')
  return parsed
}

function isKnown(key: string): boolean {
  return IGNORED_KEYS.has(key) || REFUSED_KEYS.has(key) || SETTINGS.some((setting) => setting.key === key)
}

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  return !(value === '' || value === false || value === null || value === 'builtin')
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
