// Runtimes of daemon.json's `runtimes` and of --add-runtime.
import { Failure } from '../../base/failure.ts'
import { isObject } from './setting-value.ts'

export interface RuntimeSetting {
  /** A program, by path or by a name along PATH; '' where the shim chooses. */
  path: string
  /** Before those that we give it. */
  args: string[]
  /** Another shim than the one for runc, or options for it. */
  shim?: ShimSetting
}

export interface ShimSetting {
  /** `io.containerd.runsc.v1`. */
  type: string
  /** By name, as checked: those of containerd.runc.v1.Options for runc's shim, TypeUrl and ConfigPath for others. */
  options: Readonly<Record<string, string | boolean>>
}

/** Names of the built-in runtime. The first is what containers have who name none, as with Docker. */
export const OWN_RUNTIMES = ['runc', 'io.containerd.runc.v2', 'berth-runc'] as const

/** The name of a shim, which a container may ask for without a setting: with a dot in it, and nothing of a path. */
export function isShimName(name: string): boolean {
  return /^[^./][^/]*\.[^/]*[^./]$/.test(name)
}

const KEYS = new Set(['path', 'runtimeArgs', 'runtimeType', 'options'])
export const RUNC_SHIM = 'io.containerd.runc.v2'
const RUNC_OPTIONS: Readonly<Record<string, 'string' | 'boolean'>> = {
  BinaryName: 'string',
  Root: 'string',
  SystemdCgroup: 'boolean',
  NoPivotRoot: 'boolean',
  NoNewKeyring: 'boolean',
  ShimCgroup: 'string',
  CriuPath: 'string',
}
const OTHER_OPTIONS: Readonly<Record<string, 'string' | 'boolean'>> = { TypeUrl: 'string', ConfigPath: 'string' }

/** `name=path`. */
export function addRuntime(
  before: Readonly<Record<string, RuntimeSetting>>,
  text: string,
): Record<string, RuntimeSetting> {
  const equals = text.indexOf('=')
  if (equals < 1) throw invalid(`invalid runtime argument: ${text}`)
  const name = text.slice(0, equals).trim().toLowerCase()
  const path = text.slice(equals + 1).trim()
  if (path === '') throw invalid(`invalid runtime argument: ${text}`)
  if (name in before) throw invalid(`runtime '${name}' was already defined`)
  checkName(name)
  return { ...before, [name]: { path, args: [] } }
}

/** `{"name": {"path": …, "runtimeArgs": […]}}`, or a runtimeType with its options where that is containerd's for runc. */
export function runtimesFromJson(value: unknown): Record<string, RuntimeSetting> {
  if (!isObject(value)) throw invalid('runtimes: not an object')
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      checkName(name)
      return [name, runtimeFromJson(name, item)]
    }),
  )
}

function runtimeFromJson(name: string, item: unknown): RuntimeSetting {
  if (!isObject(item)) throw invalid(`runtime ${name}: not an object`)
  const unknown = Object.keys(item).find((key) => !KEYS.has(key))
  if (unknown !== undefined) throw invalid(`runtime ${name}: unknown key ${unknown}`)
  const path = textOf(name, item, 'path')
  const type = textOf(name, item, 'runtimeType')
  const args = item['runtimeArgs'] ?? []
  if (!Array.isArray(args) || !args.every((argument) => typeof argument === 'string'))
    throw invalid(`runtime ${name}: runtimeArgs is not a list of strings`)
  if (type === '') {
    if (path === '') throw invalid(`runtime ${name}: either a runtimeType or a path must be configured`)
    if (item['options'] !== undefined) throw invalid(`runtime ${name}: options cannot be used with a path`)
    return { path, args }
  }
  if (path !== '' || args.length > 0)
    throw invalid(`runtime ${name}: cannot configure both path and runtimeType for the same runtime`)
  if (!isShimName(type)) throw invalid(`runtime ${name}: invalid runtimeType: ${JSON.stringify(type)}`)
  const options = item['options'] ?? {}
  if (!isObject(options)) throw invalid(`runtime ${name}: options is not an object`)
  return shimFromJson(name, type, options)
}

function shimFromJson(name: string, type: string, given: Record<string, unknown>): RuntimeSetting {
  const known = type === RUNC_SHIM ? RUNC_OPTIONS : OTHER_OPTIONS
  const options: Record<string, string | boolean> = {}
  for (const [key, value] of Object.entries(given)) {
    const kind = Object.hasOwn(known, key) ? known[key] : undefined
    if (kind === undefined) throw invalid(`runtime ${name}: option ${key} is not supported`)
    if (typeof value !== 'string' && typeof value !== 'boolean')
      throw invalid(`runtime ${name}: ${key} is not a ${kind}`)
    if (typeof value !== kind) throw invalid(`runtime ${name}: ${key} is not a ${kind}`)
    options[key] = value
  }
  const path = type === RUNC_SHIM ? String(options['BinaryName'] ?? '') : ''
  const isPlain = type === RUNC_SHIM && Object.keys(options).every((key) => key === 'BinaryName')
  return { path, args: [], ...(isPlain ? {} : { shim: { type, options } }) }
}

function textOf(name: string, item: Record<string, unknown>, key: string): string {
  const value = item[key] ?? ''
  if (typeof value !== 'string') throw invalid(`runtime ${name}: ${key} is not a string`)
  return value
}

/** The name becomes a file's. */
function checkName(name: string): void {
  if (OWN_RUNTIMES.some((own) => own === name)) throw invalid(`runtime name '${name}' is reserved`)
  if (name.startsWith('io.containerd.')) throw invalid(`runtime name '${name}' is reserved`)
  if (!/^[a-zA-Z0-9][\w.-]{0,127}$/.test(name)) throw invalid(`invalid runtime name: ${JSON.stringify(name)}`)
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
