// What holds where no file and no flag says otherwise.
import { join } from 'node:path'
import { OWN_RUNTIMES } from '../own-runtimes.ts'
import type { Document } from './schema.ts'

/** Where a daemon keeps things by default. */
export interface Places {
  root: string
  state: string
  /** Read where it exists and `--config` names no other; undefined: none is looked for. */
  configFile: string | undefined
}

/**
 * Called by the name of the program whose place it takes, it lives where that one lives, so that clients find it without a flag; the
 * directory may be the original's own, as no name below it is the same. As itself it reads no file that it is not told of: several run side by side.
 */
export function placesOf(program: string): Places {
  return program === 'containerd'
    ? { root: '/var/lib/containerd', state: '/run/containerd', configFile: '/etc/containerd/config.toml' }
    : { root: '/var/lib/berth/containerd', state: '/run/berth/containerd', configFile: undefined }
}

/** As containerd's own limit for both directions. */
const MESSAGE_BYTES_MAX = 16 << 20

export function defaultDocument({ root, state }: Places, platform: string): Document {
  return {
    version: 3,
    root,
    state,
    temp: '',
    disabled_plugins: [],
    required_plugins: [],
    oom_score: 0,
    imports: [],
    grpc: {
      address: join(state, 'containerd.sock'),
      tcp_address: '',
      tcp_tls_ca: '',
      tcp_tls_cert: '',
      tcp_tls_key: '',
      tcp_tls_common_name: '',
      uid: 0,
      gid: 0,
      max_recv_message_size: MESSAGE_BYTES_MAX,
      max_send_message_size: MESSAGE_BYTES_MAX,
    },
    ttrpc: { address: '', uid: 0, gid: 0 },
    debug: { address: '', uid: 0, gid: 0, level: '', format: '' },
    metrics: { address: '', grpc_histogram: false },
    cgroup: { path: '' },
    timeouts: {},
    proxy_plugins: {},
    stream_processors: {},
    plugins: {
      'io.containerd.gc.v1.scheduler': {
        pause_threshold: 0.02,
        deletion_threshold: 0,
        mutation_threshold: 100,
        schedule_delay: '0s',
        startup_delay: '100ms',
      },
      'io.containerd.metadata.v1.bolt': { content_sharing_policy: 'shared' },
      'io.containerd.monitor.task.v1.cgroups': { no_prometheus: false },
      'io.containerd.runtime.v2.task': { platforms: [platform], sched_core: false, own_runtimes: [...OWN_RUNTIMES] },
      'io.containerd.service.v1.diff-service': { default: ['walking'] },
      'io.containerd.service.v1.tasks-service': { blockio_config_file: '', rdt_config_file: '' },
      'io.containerd.snapshotter.v1.native': { root_path: '' },
      'io.containerd.snapshotter.v1.overlayfs': {
        root_path: '',
        upperdir_label: false,
        sync_remove: false,
        slow_chown: false,
        mount_options: [],
      },
    },
  }
}
