// Plugins of the first kind ("legacy" in Docker's words): programs that somebody else runs and that answer on a socket. They are found by name when
// they are first asked for, activated once, and then called.
import type { Clock } from '../../base/clock.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { listOf, objectOf, stringOf } from '../../oci/json-shape.ts'
import { callPlugin, PluginUnreachable } from './call-plugin.ts'
import { findPluginPlace, listPluginNames, type PluginDirectories, type PluginPlace } from './plugin-place.ts'

export interface PluginClient {
  readonly name: string
  /** `VolumeDriver`, `authz`, …: what the plugin said when it was activated. */
  readonly implements: readonly string[]
  /**
   * Posts `body` to `/method` (`VolumeDriver.Create`) and gives the parsed answer; undefined for an empty one. Asks again, with growing pauses and
   * for half a minute, while nobody answers. Throws Failure('internal'): `method: reason`. `Err` in a successful answer is the caller's to read.
   */
  call(method: string, body: unknown, signal?: AbortSignal): Promise<unknown>
}

export interface PluginRegistry {
  /**
   * The plugin of that name, activated. Looks again for a while: a plugin may start together with the engine. Throws Failure('not-found')
   * `plugin "x" not found`, or Failure('internal') where it cannot be activated or is of another kind.
   */
  findPlugin(name: string, kind: string): Promise<PluginClient>
  /** All that can be found and activated now, without waiting for any. */
  listPlugins(kind: string): Promise<PluginClient[]>
}

interface Options {
  readonly directories: PluginDirectories
  readonly clock: Clock
  readonly log: Log
  /** For how long a plugin may be missing or silent. */
  readonly patienceMs?: number
}

const PATIENCE_MS = 30_000
const FIRST_PAUSE_MS = 1_000

export function openPluginRegistry({ patienceMs = PATIENCE_MS, ...options }: Options): PluginRegistry {
  const { directories, clock, log } = options
  const active = new Map<string, Promise<PluginClient>>()

  /** The `what` again and again, pauses doubling, until it gives something or the next pause would be too long. */
  const patiently = async <T>(isPatient: boolean, what: () => Promise<T>, subject: string): Promise<T> => {
    const startedAt = clock.monotonic()
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
      try {
        return await what()
      } catch (error) {
        if (!(error instanceof PluginUnreachable) || !isPatient) throw error
        if (clock.monotonic() - startedAt + pauseMs >= patienceMs) throw error
        log.warn(`${subject}: ${messageOf(error)}, retrying in ${pauseMs / 1000}s`)
        await clock.sleep(pauseMs)
      }
    }
  }
  const locate = async (name: string): Promise<PluginPlace> => {
    const place = findPluginPlace(directories, name)
    if (place === undefined) throw new PluginUnreachable(`could not find plugin ${name} in v1 plugin registry`)
    return place
  }
  const clientOf = async (place: PluginPlace, isPatient: boolean): Promise<PluginClient> => {
    const reach = (work: () => Promise<unknown>) =>
      patiently(isPatient, work, `Unable to connect to plugin: ${place.address}`)
    const call = (method: string, body: unknown, signal?: AbortSignal) =>
      reach(() => callPlugin(place, method, body, { signal }))
    // One that takes the connection and says nothing keeps nobody waiting: every list of volumes asks it.
    const activate = () => callPlugin(place, 'Plugin.Activate', undefined, { signal: AbortSignal.timeout(patienceMs) })
    const kinds = readManifest(await reach(activate))
    return {
      name: place.name,
      implements: kinds,
      call: (method, body, signal) => told('', () => call(method, body, signal)),
    }
  }
  /** Remembered once it has been activated; a failure is forgotten, so that the next request tries again. */
  const activate = (name: string, isPatient: boolean): Promise<PluginClient> => {
    const known = active.get(name)
    if (known !== undefined) return known
    const opening = patiently(isPatient, () => locate(name), `Unable to locate plugin: ${name}`).then(
      (place) => clientOf(place, isPatient),
      (error: unknown) => {
        throw error instanceof PluginUnreachable
          ? new Failure('not-found', `plugin ${JSON.stringify(name)} not found`)
          : error
      },
    )
    active.set(name, opening)
    opening.catch(() => active.delete(name))
    return opening
  }

  return {
    async findPlugin(name, kind) {
      if (name === '') throw new Failure('internal', 'legacy plugin: Unable to find plugin without name')
      const plugin = await told('legacy plugin: ', () => activate(name, true))
      if (plugin.implements.includes(kind)) return plugin
      const text = `plugin=${JSON.stringify(name)}, requested implementation=${JSON.stringify(kind)}`
      throw new Failure('internal', `legacy plugin: Plugin does not implement the requested driver: ${text}`)
    },
    async listPlugins(kind) {
      const tried = await Promise.allSettled(listPluginNames(directories).map((name) => activate(name, false)))
      for (const each of tried) if (each.status === 'rejected') log.error(messageOf(each.reason))
      const plugins = tried.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
      return plugins.filter((plugin) => plugin.implements.includes(kind))
    },
  }
}

/** A plugin that nobody can reach is the engine's own failure to its clients. */
async function told<T>(prefix: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof PluginUnreachable) throw new Failure('internal', prefix + error.message, { cause: error })
    throw error
  }
}

function readManifest(answer: unknown): readonly string[] {
  const manifest = objectOf(answer, 'Plugin.Activate')
  return listOf(manifest['Implements'], 'Plugin.Activate: Implements', stringOf, 100)
}
