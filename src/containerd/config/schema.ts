// What may stand in containerd's config.toml, as a table: keys, their kinds, and which plugins this daemon has.

/** `any` is checked later, or is nobody's. A duration is a Go duration's text. */
export type Kind = 'string' | 'integer' | 'number' | 'boolean' | 'strings' | 'duration' | 'any'

/** The key `*` stands for all names that a user may choose. */
export interface Section {
  readonly [key: string]: Kind | Section
}

/** A parsed and checked file, in the file's own names. */
export type Document = Record<string, unknown>

/** The newest version that is read; containerd 2.0 to 2.2 write it. */
export const CONFIG_VERSION = 3

const OWNED_SOCKET = { address: 'string', uid: 'integer', gid: 'integer' } as const

export const FILE: Section = {
  version: 'integer',
  root: 'string',
  state: 'string',
  temp: 'string',
  plugin_dir: 'string',
  subreaper: 'boolean',
  oom_score: 'integer',
  disabled_plugins: 'strings',
  required_plugins: 'strings',
  imports: 'strings',
  grpc: {
    ...OWNED_SOCKET,
    max_recv_message_size: 'integer',
    max_send_message_size: 'integer',
    tcp_address: 'string',
    tcp_tls_ca: 'string',
    tcp_tls_cert: 'string',
    tcp_tls_key: 'string',
    tcp_tls_common_name: 'string',
  },
  ttrpc: OWNED_SOCKET,
  debug: { ...OWNED_SOCKET, level: 'string', format: 'string', log_trace_id: 'boolean' },
  metrics: { address: 'string', grpc_histogram: 'boolean' },
  cgroup: { path: 'string' },
  timeouts: { '*': 'duration' },
  plugins: { '*': 'any' },
  proxy_plugins: {
    '*': {
      type: 'string',
      address: 'string',
      platform: 'string',
      exports: { '*': 'string' },
      capabilities: 'strings',
    },
  },
  stream_processors: {
    '*': { accepts: 'strings', returns: 'string', path: 'string', args: 'strings', env: 'strings' },
  },
}

/** Sections of `plugins` that this daemon obeys. Others are warned about: nothing is left out without a word. */
export const PLUGINS: Readonly<Record<string, Section>> = {
  'io.containerd.gc.v1.scheduler': {
    pause_threshold: 'number',
    deletion_threshold: 'integer',
    mutation_threshold: 'integer',
    schedule_delay: 'duration',
    startup_delay: 'duration',
  },
  'io.containerd.metadata.v1.bolt': { content_sharing_policy: 'string' },
  'io.containerd.snapshotter.v1.overlayfs': {
    root_path: 'string',
    upperdir_label: 'boolean',
    sync_remove: 'boolean',
    slow_chown: 'boolean',
    mount_options: 'strings',
  },
  'io.containerd.snapshotter.v1.native': { root_path: 'string' },
  // `own_runtimes` is this daemon's own: runtimes that it serves without a shim of theirs.
  'io.containerd.runtime.v2.task': { platforms: 'strings', sched_core: 'boolean', own_runtimes: 'strings' },
  'io.containerd.service.v1.diff-service': { default: 'strings' },
  'io.containerd.service.v1.tasks-service': { rdt_config_file: 'string', blockio_config_file: 'string' },
  'io.containerd.monitor.v1.cgroups': { no_prometheus: 'boolean' },
  'io.containerd.monitor.task.v1.cgroups': { no_prometheus: 'boolean' },
}
