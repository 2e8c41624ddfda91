// daemon.json: its encoding, which of its keys are known, which clash with flags.
import { readFileSync, statSync } from 'node:fs'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { describeJsonError } from '../../oci/json-shape.ts'
import { formatByteSize } from './byte-size.ts'
import { maskCredentials } from './proxy-setting.ts'
import { SETTINGS, type Setting } from './setting-table.ts'
import { formatValue, fromJson, isObject, type SettingValue } from './setting-value.ts'

const FILE_BYTES_MAX = 1024 * 1024
/** Flags may add to what the file says. */
const MERGED_KEY = 'runtimes'
/** Its members stand for the flags of their names. */
const GROUP_KEY = 'proxies'
const BY_KEY: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((setting) => [setting.key, setting]))

export interface ConfigFile {
  readonly values: ReadonlyMap<string, SettingValue>
  /** Docker's keys that have no effect here. */
  readonly ignored: readonly string[]
}

const EMPTY: ConfigFile = { values: new Map(), ignored: [] }

/** An absent file is an empty one unless `isRequired`. Throws with Docker's text around the reason. */
export function readConfigFile(
  path: string,
  isRequired: boolean,
  flags: ReadonlyMap<string, SettingValue>,
): ConfigFile {
  return aboutFile(path, () => {
    const text = readText(path, isRequired)
    return text === undefined ? EMPTY : parseConfigFile(text, flags)
  })
}

/** Whatever is wrong is told as wrong with this file. */
export function aboutFile<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const code = isFailure(error) ? error.code : 'internal'
    const text = `unable to configure the Docker daemon with file ${path}: ${messageOf(error)}`
    throw new Failure(code, text, { cause: error })
  }
}

/** The file's text is its owner's, not trusted to be well-formed. */
export function parseConfigFile(text: string, flags: ReadonlyMap<string, SettingValue>): ConfigFile {
  const keys = flatten(parseObject(text))
  const unknown = Object.keys(keys).filter((key) => !BY_KEY.has(key))
  if (unknown.length > 0)
    throw invalid(`the following directives don't match any configuration option: ${unknown.join(', ')}`)
  if ('host-gateway-ip' in keys && 'host-gateway-ips' in keys)
    throw invalid('host-gateway-ip and host-gateway-ips must not both be specified in the config file')
  checkClashes(keys, flags)
  const given = SETTINGS.filter(({ key }) => key in keys && keys[key] !== null)
  const values = new Map(given.map((setting) => [setting.key, fromJson(setting, keys[setting.key])]))
  return { values, ignored: given.filter(({ hasNoEffect }) => hasNoEffect).map(({ key }) => key) }
}

function checkClashes(keys: Record<string, unknown>, flags: ReadonlyMap<string, SettingValue>): void {
  const clashes = SETTINGS.filter(({ key }) => key !== MERGED_KEY && key in keys && flags.has(flagged(key)))
    .sort((a, b) => ((a.flag ?? a.key) < (b.flag ?? b.key) ? -1 : 1))
    .map(({ key, kind }) => {
      const [flag, file] = [flags.get(flagged(key)), keys[key]].map((value) => shown(key, kind, value))
      return `${key}: (from flag: ${flag}, from file: ${file})`
    })
  if (clashes.length === 0) return
  throw invalid(
    `the following directives are specified both as a flag and in the configuration file: ${clashes.join(', ')}`,
  )
}

/** The older name of one setting shares its flag. */
function flagged(key: string): string {
  return key === 'host-gateway-ip' ? 'host-gateway-ips' : key
}

function shown(key: string, kind: Setting['kind'], value: unknown): string {
  if (key === 'http-proxy' || key === 'https-proxy') return maskCredentials(String(value))
  return kind === 'bytes' && typeof value === 'number' ? formatByteSize(value) : formatValue(value)
}

/** Members of an object count as keys of the file, unless the object is a setting's value. */
function flatten(keys: Record<string, unknown>): Record<string, unknown> {
  const flat: [string, unknown][] = Object.entries(keys).flatMap(([key, value]) => {
    if (!isObject(value) || (BY_KEY.has(key) && key !== GROUP_KEY)) return [[key, value]]
    return Object.entries(value)
  })
  return Object.fromEntries(flat)
}

function readText(path: string, isRequired: boolean): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) {
    if (!isRequired) return undefined
    throw invalid(`open ${path}: no such file or directory`)
  }
  if (!found.isFile() || found.size > FILE_BYTES_MAX) throw invalid(`open ${path}: not a configuration file`)
  return decodeText(readFileSync(path))
}

/** By the byte order mark, which editors of other systems write; UTF-8 without one. */
function decodeText(bytes: Buffer): string {
  const [first, second] = bytes
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    throw invalid('failed to decode configuration JSON: encoding: invalid UTF-8')
  }
}

function parseObject(text: string): Record<string, unknown> {
  if (text.trim() === '') return {}
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw invalid(`invalid JSON: ${describeJsonError(error)}`)
  }
  if (parsed === null) return {}
  if (isObject(parsed)) return parsed
  const got = Array.isArray(parsed) ? 'array' : typeof parsed === 'boolean' ? 'bool' : typeof parsed
  throw invalid(`json: cannot unmarshal ${got} into Go value of type map[string]interface {}`)
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
