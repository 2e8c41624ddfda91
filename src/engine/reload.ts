// SIGHUP: daemon.json is read again, and the settings that can change in a running engine do. Which ones, and what becomes of those that the
// file does not name any more, is as in Docker.
import { hostname } from 'node:os'
import { messageOf, withSubject } from '../base/failure.ts'
import { requireAuthorizationPlugins } from './authz/require-plugins.ts'
import { checkConfig, checkStart } from './check-config.ts'
import type { EngineConfig } from './config.ts'
import type { Engine } from './engine.ts'
import { buildConfig, type LoadedConfig } from './load-config.ts'
import { type ConfigFile, readConfigFile } from './settings/read-config-file.ts'
import { formatValue } from './settings/setting-value.ts'
import { cgroupFacts } from './system/cgroup-facts.ts'

/** Never rejects: a file with a mistake is told to the log, and changes nothing. */
export async function reloadConfig(engine: Engine, started: LoadedConfig): Promise<void> {
  const { log, config } = engine
  log.info('Got signal to reload configuration', { 'config-file': started.configFile })
  try {
    const file = readConfigFile(started.configFile, started.flags.configFile !== undefined, started.flags.values)
    const changes = chooseChanges(config, file, started)
    await requireAuthorizationPlugins(engine.plugins, changes.authorizationPlugins)
    Object.assign(config, changes)
    const attributes = describe(config)
    log.debug(`Reset Max Concurrent Downloads: ${config.maxConcurrentDownloads}`)
    log.debug(`Reset Max Concurrent Uploads: ${config.maxConcurrentUploads}`)
    log.debug(`Reset Max Download Attempts: ${config.maxDownloadAttempts}`)
    engine.events.publish('daemon', 'reload', { ID: engine.id, Attributes: { ...attributes, name: hostname() } })
    log.info('Reloaded configuration', { config: JSON.stringify(attributes) })
  } catch (error) {
    log.error('Error reloading configuration', { error: messageOf(error) })
  }
}

type Changes = Partial<EngineConfig> & Pick<EngineConfig, 'authorizationPlugins'>

/** Throws where the file would not have let the daemon start. */
function chooseChanges(current: EngineConfig, file: ConfigFile, started: LoadedConfig): Changes {
  const fresh = buildConfig(file.values, process.env)
  try {
    checkConfig(fresh)
    const runtimes = file.values.has('runtimes') ? fresh.runtimes : current.runtimes
    const defaultRuntime = file.values.has('default-runtime') ? fresh.defaultRuntime : current.defaultRuntime
    checkStart({ ...fresh, runtimes, defaultRuntime, hosts: current.hosts, tls: current.tls }, file.values)
  } catch (error) {
    throw withSubject('file configuration validation failed', error)
  }
  const named = <K extends keyof EngineConfig>(key: string, field: K) =>
    file.values.has(key) ? { [field]: fresh[field] } : {}
  return {
    ...named('default-runtime', 'defaultRuntime'),
    ...named('runtimes', 'runtimes'),
    ...named('default-shm-size', 'defaultShmBytes'),
    ...named('default-cgroupns-mode', 'defaultCgroupnsMode'),
    ...named('default-ipc-mode', 'defaultIpcMode'),
    ...named('default-stop-timeout', 'defaultStopTimeoutSeconds'),
    ...named('shutdown-timeout', 'shutdownTimeoutSeconds'),
    ...named('labels', 'labels'),
    ...named('insecure-registries', 'insecureRegistries'),
    ...named('registry-mirrors', 'registryMirrors'),
    ...named('live-restore', 'liveRestore'),
    ...(file.values.has('debug') ? debugChange(fresh.debug, started) : {}),
    // These go back to their defaults where the file is silent.
    maxConcurrentDownloads: fresh.maxConcurrentDownloads,
    maxConcurrentUploads: fresh.maxConcurrentUploads,
    maxDownloadAttempts: fresh.maxDownloadAttempts,
    features: fresh.features,
    // So do these, in Docker even where a flag named them; here a reload never opens what the command line has closed.
    authorizationPlugins:
      (started.flags.values.get('authorization-plugins') as string[] | undefined) ?? fresh.authorizationPlugins,
  }
}

/** Without debugging the level is the one that the daemon was started with, or the middle one. */
function debugChange(debug: boolean, { flags, file }: LoadedConfig): Pick<EngineConfig, 'debug' | 'logLevel'> {
  if (debug) return { debug, logLevel: 'debug' }
  const level = flags.values.get('log-level') ?? file.values.get('log-level')
  const values = new Map(level === undefined ? [] : [['log-level', level] as const])
  return { debug, logLevel: buildConfig(values, {}).logLevel }
}

/** The attributes of the event. */
function describe(config: EngineConfig): Record<string, string> {
  const runtimes = Object.entries(config.runtimes).map(([name, { path }]) => `${name}:${path}`)
  return {
    runtimes: runtimes.join(' '),
    'default-runtime': config.defaultRuntime,
    'default-shm-size': String(config.defaultShmBytes),
    'default-ipc-mode': config.defaultIpcMode,
    'default-cgroupns-mode': config.defaultCgroupnsMode ?? (cgroupFacts().version === '2' ? 'private' : 'host'),
    debug: String(config.debug),
    'max-concurrent-downloads': String(config.maxConcurrentDownloads),
    'max-concurrent-uploads': String(config.maxConcurrentUploads),
    'max-download-attempts': String(config.maxDownloadAttempts),
    'shutdown-timeout': String(config.shutdownTimeoutSeconds),
    features: formatValue(config.features),
    labels: JSON.stringify(config.labels),
    'insecure-registries': JSON.stringify(config.insecureRegistries),
    'registry-mirrors': JSON.stringify(config.registryMirrors),
    'live-restore': String(config.liveRestore),
  }
}
