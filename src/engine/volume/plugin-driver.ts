// A driver that is a plugin: the volume plugin protocol (docs.docker.com, "Docker volume plugins").
import { Failure } from '../../base/failure.ts'
import { listOf, objectOf, optional, stringOf } from '../../oci/json-shape.ts'
import { PluginUnreachable } from '../plugin/call-plugin.ts'
import type { PluginClient, PluginRegistry } from '../plugin/plugin-registry.ts'
import type { OtherDrivers } from './other-drivers.ts'
import { type DriverVolume, LOCAL_DRIVER, type VolumeDriver, type VolumeRecord, type VolumeScope } from './volume.ts'

const KIND = 'VolumeDriver'
/** As Docker: what may have to make something takes longer than what only looks. */
const LONG_MS = 120_000
const SHORT_MS = 60_000
const VOLUMES_MAX = 100_000

export class PluginDriver implements VolumeDriver {
  readonly #plugin: PluginClient
  #scope: Promise<VolumeScope> | undefined

  constructor(plugin: PluginClient) {
    this.#plugin = plugin
  }

  get name(): string {
    return this.#plugin.name
  }

  /** Asked once. A plugin need not answer this. */
  async scope(): Promise<VolumeScope> {
    this.#scope ??= this.#ask('Capabilities', {}, SHORT_MS).then(
      ({ Capabilities: found }) =>
        isObject(found) && String(found['Scope']).toLowerCase() === 'global' ? 'global' : 'local',
      (error: unknown) => {
        if (isUnreachable(error)) this.#scope = undefined
        return 'local'
      },
    )
    return await this.#scope
  }

  async create({ name, options }: VolumeRecord): Promise<void> {
    await this.#ask('Create', { Name: name, Opts: options ?? {} }, LONG_MS)
  }

  async remove(name: string): Promise<void> {
    await this.#ask('Remove', { Name: name }, SHORT_MS)
  }

  /** Whatever the plugin complains of means that it has no such volume; only a plugin that does not answer is an error. */
  async get(name: string): Promise<DriverVolume | undefined> {
    try {
      const { Volume: found } = await this.#ask('Get', { Name: name }, SHORT_MS)
      return isObject(found) ? readVolume(found, `${KIND}.Get`) : undefined
    } catch (error) {
      if (isUnreachable(error)) throw error
      return undefined
    }
  }

  async list(): Promise<DriverVolume[]> {
    const { Volumes: found } = await this.#ask('List', {}, SHORT_MS)
    const parse = (value: unknown, subject: string) => readVolume(objectOf(value, subject), subject)
    return found === undefined || found === null ? [] : listOf(found, `${KIND}.List`, parse, VOLUMES_MAX)
  }

  async mount(name: string, holder: string): Promise<string> {
    const answer = await this.#ask('Mount', { Name: name, ID: holder }, LONG_MS)
    const path = stringOf(answer['Mountpoint'] ?? '', `${KIND}.Mount: Mountpoint`)
    if (!path.startsWith('/'))
      throw new Failure('internal', `${KIND}.Mount: the plugin answers ${JSON.stringify(path)} as the mountpoint`)
    return path
  }

  async unmount(name: string, holder: string): Promise<void> {
    await this.#ask('Unmount', { Name: name, ID: holder }, SHORT_MS)
  }

  /** Throws the plugin's own words where it answers an `Err`. */
  async #ask(method: string, body: object, timeoutMs: number): Promise<Record<string, unknown>> {
    const answer = await this.#plugin.call(`${KIND}.${method}`, body, AbortSignal.timeout(timeoutMs))
    const parsed = answer === undefined || answer === null ? {} : objectOf(answer, `${KIND}.${method}`)
    const { Err: complaint } = parsed
    if (typeof complaint === 'string' && complaint !== '') throw new Failure('unknown', complaint)
    return parsed
  }
}

function readVolume(found: Record<string, unknown>, subject: string): DriverVolume {
  const text = (key: string) => optional(found[key] ?? undefined, `${subject}: ${key}`, stringOf)
  const createdAt = text('CreatedAt')
  const status = found['Status']
  return {
    name: text('Name') ?? '',
    mountpoint: text('Mountpoint') ?? '',
    createdAt: createdAt === undefined || Number.isNaN(Date.parse(createdAt)) ? undefined : createdAt,
    status: isObject(status) ? status : undefined,
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof PluginUnreachable
}

/** The plugins that are volume drivers; each is activated when it is first needed. */
export function openPluginDrivers(plugins: PluginRegistry): OtherDrivers {
  const known = new Map<string, PluginDriver>()
  const driverOf = (plugin: PluginClient) => {
    const driver = known.get(plugin.name) ?? new PluginDriver(plugin)
    known.set(plugin.name, driver)
    return driver
  }
  return {
    async require(name) {
      try {
        return known.get(name) ?? driverOf(await plugins.findPlugin(name, KIND))
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        throw new Failure(error.code, `error looking up volume plugin ${name}: ${error.message}`, { cause: error })
      }
    },
    async all() {
      const found = await plugins.listPlugins(KIND)
      return found.filter(({ name }) => name !== LOCAL_DRIVER).map(driverOf)
    },
    names: () => [...known.keys()],
  }
}
