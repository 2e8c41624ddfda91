// Which plugins a config may switch off, which it may insist on, and what is said of those that are not here.
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { type Document, PLUGINS } from './schema.ts'

/** Everything else rests on them. */
const INDISPENSABLE = [
  'io.containerd.content.v1.content',
  'io.containerd.metadata.v1.bolt',
  'io.containerd.event.v1.exchange',
]

/** Services by the last part of their plugin's URI; the name of the gRPC service that goes with it. */
const SERVICES: Readonly<Record<string, string>> = {
  containers: 'containerd.services.containers.v1.Containers',
  content: 'containerd.services.content.v1.Content',
  diff: 'containerd.services.diff.v1.Diff',
  events: 'containerd.services.events.v1.Events',
  healthcheck: 'grpc.health.v1.Health',
  images: 'containerd.services.images.v1.Images',
  introspection: 'containerd.services.introspection.v1.Introspection',
  leases: 'containerd.services.leases.v1.Leases',
  namespaces: 'containerd.services.namespaces.v1.Namespaces',
  'sandbox-controllers': 'containerd.services.sandbox.v1.Controller',
  sandboxes: 'containerd.services.sandbox.v1.Store',
  snapshots: 'containerd.services.snapshots.v1.Snapshots',
  streaming: 'containerd.services.streaming.v1.Streaming',
  tasks: 'containerd.services.tasks.v1.Tasks',
  transfer: 'containerd.services.transfer.v1.Transfer',
  version: 'containerd.services.version.v1.Version',
}

const OTHER_PLUGINS = [
  ...INDISPENSABLE,
  'io.containerd.differ.v1.walking',
  'io.containerd.gc.v1.scheduler',
  'io.containerd.monitor.v1.cgroups',
  'io.containerd.monitor.task.v1.cgroups',
  'io.containerd.runtime.v2.task',
  'io.containerd.snapshotter.v1.overlayfs',
  'io.containerd.snapshotter.v1.native',
]

/** gRPC services that the disabled plugins take with them. */
export function disabledServices(disabled: ReadonlySet<string>): ReadonlySet<string> {
  const names = Object.entries(SERVICES).flatMap(([id, name]) =>
    disabled.has(`io.containerd.grpc.v1.${id}`) || disabled.has(`io.containerd.service.v1.${id}-service`) ? [name] : [],
  )
  return new Set([...names, ...(disabled.has('io.containerd.runtime.v2.task') ? [SERVICES['tasks'] ?? ''] : [])])
}

/** Throws `invalid-argument` where the config can't be obeyed at all; warns of what is left out. */
export function checkPlugins(document: Document, disabled: ReadonlySet<string>, log: Log): void {
  for (const uri of INDISPENSABLE)
    if (disabled.has(uri)) throw invalid(`plugin ${uri} cannot be disabled: every service rests on it`)
  checkRequired(document['required_plugins'] as string[], disabled)
  const plugins = (document['plugins'] ?? {}) as Document
  for (const name of Object.keys(plugins))
    if (!Object.hasOwn(PLUGINS, name) && !disabled.has(name))
      log.warn('Ignoring configuration of a plugin that is not part of this daemon', { plugin: name })
  checkTasksService((plugins['io.containerd.service.v1.tasks-service'] ?? {}) as Document)
  checkRuntime((plugins['io.containerd.runtime.v2.task'] ?? {}) as Document, log)
  checkDiff((plugins['io.containerd.service.v1.diff-service'] ?? {}) as Document)
  checkWithoutEffect(document, log)
  checkOutside(document, log)
}

function checkRequired(required: readonly string[], disabled: ReadonlySet<string>): void {
  const known = new Set([
    ...OTHER_PLUGINS,
    ...Object.keys(SERVICES).flatMap((id) => [`io.containerd.grpc.v1.${id}`, `io.containerd.service.v1.${id}-service`]),
  ])
  const missing = required.filter((uri) => disabled.has(uri) || !known.has(uri))
  if (missing.length > 0) throw invalid(`required plugin ${JSON.stringify(missing)} not included`)
}

/** They change what containers get: to run without would be worse than not to run. */
function checkTasksService(service: Document): void {
  for (const key of ['rdt_config_file', 'blockio_config_file'])
    if ((service[key] ?? '') !== '')
      throw invalid(`io.containerd.service.v1.tasks-service: ${key}: classes by file are not supported`)
}

function checkRuntime({ platforms, sched_core: schedCore }: Document, log: Log): void {
  const architecture = { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch
  const wanted = (platforms ?? []) as string[]
  if (wanted.length > 0 && !wanted.some((platform) => platform.startsWith(`linux/${architecture}`)))
    throw invalid(
      `io.containerd.runtime.v2.task: no platform of ${wanted.join(', ')} is this machine's linux/${architecture}`,
    )
  if (schedCore === true)
    log.warn('core scheduling is left to shims: the built-in runtime does not ask for it', { key: 'sched_core' })
}

/** What would change nothing here. */
function checkWithoutEffect(document: Document, log: Log): void {
  const debug = (document['debug'] ?? {}) as Document
  if (debug['log_trace_id'] === true) log.warn('Ignoring debug.log_trace_id: calls are not traced')
  if (document['subreaper'] === true) log.warn('Ignoring subreaper: shims are nobody’s children')
}

/** Of tasks' control groups; the plugin's name is another since containerd 2.0. */
export function hasTaskMetrics(plugins: Document, disabled: ReadonlySet<string>): boolean {
  return ['io.containerd.monitor.v1.cgroups', 'io.containerd.monitor.task.v1.cgroups'].every(
    (uri) => !disabled.has(uri) && ((plugins[uri] ?? {}) as Document)['no_prometheus'] !== true,
  )
}

function checkDiff({ default: order }: Document): void {
  const unknown = ((order ?? []) as string[]).filter((id) => id !== 'walking')
  if (unknown.length > 0) throw invalid(`io.containerd.service.v1.diff-service: differ ${unknown[0]} is not loaded`)
}

function checkOutside(document: Document, log: Log): void {
  for (const [name, { type }] of Object.entries((document['proxy_plugins'] ?? {}) as Record<string, Document>))
    log.warn('Ignoring proxy plugin: this daemon loads none', { id: name, type: String(type) })
  for (const [name, { accepts }] of Object.entries((document['stream_processors'] ?? {}) as Record<string, Document>))
    log.warn('Ignoring stream processor: layers of its media types cannot be unpacked', {
      id: name,
      accepts: ((accepts ?? []) as string[]).join(','),
    })
  if ((document['plugin_dir'] ?? '') !== '')
    log.warn('Ignoring plugin_dir: programs of the original are not loaded', { path: String(document['plugin_dir']) })
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
