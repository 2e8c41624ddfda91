// Authorization plugins are looked for before anything depends on them: an engine that starts without one of them would let everybody in.
import { withSubject } from '../../base/failure.ts'
import type { PluginRegistry } from '../plugin/plugin-registry.ts'

export const AUTHZ_KIND = 'authz'

/** Resolves when all can be called. Throws `failed to validate authorization plugin: …`. */
export async function requireAuthorizationPlugins(plugins: PluginRegistry, names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      await plugins.findPlugin(name, AUTHZ_KIND)
    } catch (error) {
      throw withSubject('failed to validate authorization plugin', error)
    }
  }
}
