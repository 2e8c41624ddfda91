// CDI spec files (container-device-interface, SPEC.md): what a device asks to be changed in a container's runtime spec. YAML, of which JSON is a part.
import { parse } from 'yaml'
import { Failure, messageOf } from '../../base/failure.ts'
import { isDeviceName, parseKind } from './device-name.ts'

export interface CdiDeviceNode {
  path: string
  hostPath?: string
  type?: string
  major?: number
  minor?: number
  fileMode?: number
  permissions?: string
  uid?: number
  gid?: number
}

export interface CdiHook {
  hookName: HookName
  path: string
  args?: string[]
  env?: string[]
  timeout?: number
}

export interface CdiMount {
  hostPath: string
  containerPath: string
  options?: string[]
  type?: string
}

export interface CdiIntelRdt {
  closID?: string
  l3CacheSchema?: string
  memBwSchema?: string
  enableCMT?: boolean
  enableMBM?: boolean
}

export interface ContainerEdits {
  env: string[]
  deviceNodes: CdiDeviceNode[]
  hooks: CdiHook[]
  mounts: CdiMount[]
  intelRdt?: CdiIntelRdt
  additionalGids: number[]
}

export interface CdiSpec {
  /** `vendor.com/class`. */
  kind: string
  /** For every container that has a device of this file. */
  edits: ContainerEdits
  devices: ReadonlyMap<string, ContainerEdits>
}

const HOOKS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const
export type HookName = (typeof HOOKS)[number]

const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.4.0', '0.5.0', '0.6.0', '0.7.0', '0.8.0', '1.0.0', '1.1.0']
const DEVICES_MAX = 10_000

/** Throws Failure('invalid-argument') that says what is wrong. */
export function parseCdiSpec(text: string): CdiSpec {
  const root = new Fields(parseDocument(text), 'spec')
  const version = root.text('cdiVersion') ?? ''
  if (!VERSIONS.includes(version)) throw invalid(`invalid version ${JSON.stringify(version)}`)
  const kind = root.text('kind') ?? ''
  if (parseKind(kind) === undefined) throw invalid(`invalid CDI Spec: invalid kind ${JSON.stringify(kind)}`)
  root.texts('annotations')
  const edits = parseEdits(root.value('containerEdits') ?? {}, 'containerEdits')
  const devices = new Map<string, ContainerEdits>()
  const list = root.list('devices')
  if (list.length === 0) throw invalid('invalid CDI Spec: invalid spec, no devices')
  if (list.length > DEVICES_MAX) throw invalid(`invalid CDI Spec: more than ${DEVICES_MAX} devices`)
  for (const item of list) {
    const device = new Fields(item, 'device')
    const name = device.text('name') ?? ''
    if (!isDeviceName(name)) throw invalid(`invalid CDI Spec: invalid device name ${JSON.stringify(name)}`)
    if (devices.has(name)) throw invalid(`invalid CDI Spec: invalid spec, multiple device ${JSON.stringify(name)}`)
    device.texts('annotations')
    const own = parseEdits(device.value('containerEdits') ?? {}, 'containerEdits')
    device.end()
    if (isEmpty(own))
      throw invalid(`invalid CDI Spec: failed add device ${JSON.stringify(name)}: invalid device, empty device edits`)
    devices.set(name, own)
  }
  root.end()
  return { kind, edits, devices }
}

function parseDocument(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100, version: '1.1', logLevel: 'error' }) // a mode such as 0600 is octal, as in Go's parser
  } catch (error) {
    throw invalid(`failed to unmarshal CDI Spec: ${messageOf(error).split('\n')[0]}`)
  }
}

function isEmpty({ env, deviceNodes, hooks, mounts, additionalGids, intelRdt }: ContainerEdits): boolean {
  return [env, deviceNodes, hooks, mounts, additionalGids].every(({ length }) => length === 0) && intelRdt === undefined
}

function parseEdits(value: unknown, where: string): ContainerEdits {
  const fields = new Fields(value, where)
  const edits: ContainerEdits = {
    env: checkEnv(fields.strings('env') ?? [], 'container edits'),
    deviceNodes: fields.list('deviceNodes').map(parseDeviceNode),
    hooks: fields.list('hooks').map(parseHook),
    mounts: fields.list('mounts').map(parseMount),
    additionalGids: fields.list('additionalGids').map((gid) => requireNumber(gid, 'additionalGids')),
  }
  const rdt = fields.value('intelRdt')
  if (rdt !== undefined) edits.intelRdt = parseIntelRdt(rdt)
  fields.end()
  return edits
}

function checkEnv(env: string[], where: string): string[] {
  for (const variable of env)
    if (variable.indexOf('=') <= 0)
      throw invalid(`invalid ${where}: invalid environment variable ${JSON.stringify(variable)}`)
  return env
}

function parseDeviceNode(value: unknown): CdiDeviceNode {
  const fields = new Fields(value, 'deviceNodes')
  const path = fields.text('path') ?? ''
  if (path === '') throw invalid('invalid (empty) device path')
  const type = fields.text('type')
  if (type !== undefined && !['', 'b', 'c', 'u', 'p'].includes(type))
    throw invalid(`device ${JSON.stringify(path)}: invalid type ${JSON.stringify(type)}`)
  const permissions = fields.text('permissions')
  if (permissions !== undefined && !/^[rwm]*$/.test(permissions))
    throw invalid(`device ${JSON.stringify(path)}: invalid permissions ${JSON.stringify(permissions)}`)
  const node: CdiDeviceNode = {
    path,
    ...given('hostPath', fields.text('hostPath')),
    ...given('type', type),
    ...given('permissions', permissions),
  }
  for (const key of ['major', 'minor', 'fileMode', 'uid', 'gid'] as const)
    Object.assign(node, given(key, fields.number(key)))
  fields.end()
  return node
}

function parseHook(value: unknown): CdiHook {
  const fields = new Fields(value, 'hooks')
  const name = fields.text('hookName') ?? ''
  const hookName = HOOKS.find((each) => each === name)
  if (hookName === undefined) throw invalid(`invalid hook name ${JSON.stringify(name)}`)
  const path = fields.text('path') ?? ''
  if (path === '') throw invalid(`invalid hook ${JSON.stringify(name)} with empty path`)
  const env = fields.strings('env')
  if (env !== undefined) checkEnv(env, `hook ${JSON.stringify(name)}`)
  const hook: CdiHook = {
    hookName,
    path,
    ...given('args', fields.strings('args')),
    ...given('env', env),
    ...given('timeout', fields.number('timeout')),
  }
  fields.end()
  return hook
}

function parseMount(value: unknown): CdiMount {
  const fields = new Fields(value, 'mounts')
  const hostPath = fields.text('hostPath') ?? ''
  const containerPath = fields.text('containerPath') ?? ''
  if (hostPath === '') throw invalid('invalid mount, empty host path')
  if (containerPath === '') throw invalid('invalid mount, empty container path')
  const mount: CdiMount = {
    hostPath,
    containerPath,
    ...given('options', fields.strings('options')),
    ...given('type', fields.text('type')),
  }
  fields.end()
  return mount
}

const CLOS_ID_LENGTH_MAX = 4095

function parseIntelRdt(value: unknown): CdiIntelRdt {
  const fields = new Fields(value, 'intelRdt')
  const closID = fields.text('closID')
  if (closID !== undefined && (closID.length > CLOS_ID_LENGTH_MAX || /^\.\.?$|[/\n]/.test(closID)))
    throw invalid('invalid ClosID')
  const rdt: CdiIntelRdt = {
    ...given('closID', closID),
    ...given('l3CacheSchema', fields.text('l3CacheSchema')),
    ...given('memBwSchema', fields.text('memBwSchema')),
    ...given('enableCMT', fields.boolean('enableCMT')),
    ...given('enableMBM', fields.boolean('enableMBM')),
  }
  fields.end()
  return rdt
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]?: Value })
}

function requireNumber(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(`failed to unmarshal CDI Spec: ${where} is no number`)
}

/** An object's fields, each of its type; those that nobody asks for are unknown, and refused. */
class Fields {
  readonly #values: Map<string, unknown>
  readonly #where: string

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw invalid(`failed to unmarshal CDI Spec: ${where} is no object`)
    this.#values = new Map(Object.entries(value))
    this.#where = where
  }

  value(key: string): unknown {
    const value = this.#values.get(key)
    this.#values.delete(key)
    return value ?? undefined
  }

  text(key: string): string | undefined {
    return this.#typed(key, 'string') as string | undefined
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, 'boolean') as boolean | undefined
  }

  number(key: string): number | undefined {
    const value = this.value(key)
    return value === undefined ? undefined : requireNumber(value, `${this.#where}.${key}`)
  }

  list(key: string): unknown[] {
    const value = this.value(key) ?? []
    if (!Array.isArray(value)) throw invalid(`failed to unmarshal CDI Spec: ${this.#where}.${key} is no list`)
    return value
  }

  strings(key: string): string[] | undefined {
    if (!this.#values.has(key)) return undefined
    return this.list(key).map((item) => {
      if (typeof item === 'string') return item
      throw invalid(`failed to unmarshal CDI Spec: ${this.#where}.${key} is no list of strings`)
    })
  }

  /** A map of strings. */
  texts(key: string): Record<string, string> {
    const value = this.value(key) ?? {}
    const isMap = typeof value === 'object' && Object.values(value).every((item) => typeof item === 'string')
    if (!isMap) throw invalid(`failed to unmarshal CDI Spec: ${this.#where}.${key} is no map of strings`)
    return value as Record<string, string>
  }

  end(): void {
    const [unknown] = this.#values.keys()
    if (unknown !== undefined)
      throw invalid(`failed to unmarshal CDI Spec: unknown field ${JSON.stringify(unknown)} in ${this.#where}`)
  }

  #typed(key: string, type: 'string' | 'boolean'): unknown {
    const value = this.value(key)
    if (value !== undefined && typeof value !== type)
      throw invalid(`failed to unmarshal CDI Spec: ${this.#where}.${key} is no ${type}`)
    return value
  }
}

function invalid(what: string): Failure {
  return new Failure('invalid-argument', what)
}
