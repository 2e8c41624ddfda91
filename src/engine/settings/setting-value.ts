// Values of settings: from a flag's text, from JSON, and back to text as Go prints them.
import { isIP } from 'node:net'
import { Failure } from '../../base/failure.ts'
import { parseByteSize } from './byte-size.ts'
import { addRuntime, type RuntimeSetting, runtimesFromJson } from './runtime-setting.ts'
import type { Setting, SettingKind } from './setting-table.ts'

export interface Ulimit {
  name: string
  soft: number
  hard: number
}

export type SettingValue =
  | string
  | boolean
  | number
  | string[]
  | Record<string, string>
  | Record<string, boolean>
  | Record<string, Ulimit>
  | Record<string, RuntimeSetting>

/** What a flag adds to what the same flag gave before: lists and maps grow, others are replaced. */
export function addFlagText(kind: SettingKind, before: SettingValue | undefined, text: string): SettingValue {
  switch (kind) {
    case 'string':
      return text
    case 'bool':
      return parseBoolean(text)
    case 'int':
      return parseInteger(text)
    case 'bytes':
      return parseByteSize(text)
    case 'ip':
      return parseAddress(text)
    case 'ips':
      return [...((before as string[] | undefined) ?? []), ...text.split(',').map(parseAddress)]
    case 'list':
    case 'any':
      return [...((before as string[] | undefined) ?? []), text]
    case 'switches':
      return { ...(before as Record<string, boolean> | undefined), ...parseSwitch(text) }
    case 'map':
      return { ...(before as Record<string, string> | undefined), ...parsePair(text) }
    case 'ulimits': {
      const ulimit = parseUlimit(text)
      return { ...(before as Record<string, Ulimit> | undefined), [ulimit.name]: ulimit }
    }
    case 'runtimes':
      return addRuntime((before as Record<string, RuntimeSetting> | undefined) ?? {}, text)
  }
}

/** Throws in the words of Go's JSON decoder, which dockerd's users see. */
export function fromJson(setting: Setting, value: unknown): SettingValue {
  switch (setting.kind) {
    case 'string':
      return typeof value === 'string' ? value : mismatch(setting, value, 'string')
    case 'bool':
      return typeof value === 'boolean' ? value : mismatch(setting, value, 'bool')
    case 'int':
      return typeof value === 'number' && Number.isSafeInteger(value) ? value : mismatch(setting, value, 'int')
    case 'bytes':
      if (typeof value !== 'string' || value === '')
        throw invalid(`invalid size: ${JSON.stringify(JSON.stringify(value))}`)
      return parseByteSize(value)
    case 'ip':
      return typeof value === 'string' ? parseJsonAddress(value) : mismatch(setting, value, 'net.IP')
    case 'ips':
      return listFromJson(setting, value, '[]net.IP').map(parseJsonAddress)
    case 'list':
      return listFromJson(setting, value, '[]string')
    case 'map':
      return mapFromJson<string>(setting, value, 'string')
    case 'switches':
      return mapFromJson<boolean>(setting, value, 'bool')
    case 'any':
      return []
    case 'ulimits':
      if (!isObject(value)) return mismatch(setting, value, 'map[string]*container.Ulimit')
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, ulimitFromJson(setting, name, item)]),
      )
    case 'runtimes':
      return runtimesFromJson(value)
  }
}

function listFromJson(setting: Setting, value: unknown, wanted: string): string[] {
  if (!Array.isArray(value)) return mismatch(setting, value, wanted)
  const wrong = value.findIndex((item) => typeof item !== 'string')
  return wrong < 0 ? value : mismatch(setting, value[wrong], 'string')
}

function mapFromJson<T extends string | boolean>(
  setting: Setting,
  value: unknown,
  wanted: 'string' | 'bool',
): Record<string, T> {
  if (!isObject(value)) return mismatch(setting, value, `map[string]${wanted}`)
  const type = wanted === 'bool' ? 'boolean' : wanted
  const wrong = Object.keys(value).find((name) => typeof value[name] !== type)
  return wrong === undefined ? (value as Record<string, T>) : mismatch(setting, value[wrong], wanted)
}

/** As Go's `%v`: `[a b]`, `map[k:v]`. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatValue).join(' ')}]`
  if (isObject(value)) {
    const keys = Object.keys(value).sort()
    return `map[${keys.map((key) => `${key}:${formatValue(value[key])}`).join(' ')}]`
  }
  return String(value)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseBoolean(text: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false
  throw new Failure('invalid-argument', `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function parseInteger(text: string): number {
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text)
  throw new Failure('invalid-argument', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
}

/** In the words of the flag parser. */
function parseAddress(text: string): string {
  if (isIP(text.trim()) !== 0) return text.trim()
  throw invalid(`invalid string being converted to IP address: ${text}`)
}

function parseJsonAddress(text: string): string {
  if (text === '' || isIP(text) !== 0) return text
  throw invalid(`invalid IP address: ${text}`)
}

/** `name`, or `name=bool`. */
function parseSwitch(text: string): Record<string, boolean> {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  if (name === '') throw invalid(`invalid feature: ${text}`)
  return { [name]: equals < 0 || parseBoolean(text.slice(equals + 1)) }
}

function parsePair(text: string): Record<string, string> {
  const equals = text.indexOf('=')
  return equals < 0 ? { [text]: '' } : { [text.slice(0, equals)]: text.slice(equals + 1) }
}

/** `name=soft[:hard]`, -1 for no limit. */
function parseUlimit(text: string): Ulimit {
  const [, name, soft, hard] = /^([^=]+)=([^:]*)(?::(.*))?$/.exec(text) ?? []
  if (name === undefined || soft === undefined)
    throw new Failure('invalid-argument', `invalid ulimit argument: ${text}`)
  const softLimit = parseInteger(soft)
  const hardLimit = hard === undefined ? softLimit : parseInteger(hard)
  if (hardLimit !== -1 && (softLimit === -1 || softLimit > hardLimit))
    throw new Failure(
      'invalid-argument',
      `ulimit soft limit must be less than or equal to hard limit: ${softLimit} > ${hardLimit}`,
    )
  return { name, soft: softLimit, hard: hardLimit }
}

function ulimitFromJson(setting: Setting, name: string, value: unknown): Ulimit {
  if (!isObject(value)) return mismatch(setting, value, 'container.Ulimit')
  const field = (wanted: string): number => {
    const found = Object.entries(value).find(([key]) => key.toLowerCase() === wanted)?.[1] ?? 0
    return typeof found === 'number' ? found : mismatch(setting, found, 'int64')
  }
  return { name, soft: field('soft'), hard: field('hard') }
}

function mismatch(setting: Setting, value: unknown, wanted: string): never {
  const got =
    value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  throw new Failure(
    'invalid-argument',
    `json: cannot unmarshal ${got} into Go struct field Config.${setting.key} of type ${wanted}`,
  )
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
