// Every setting of the daemon: its key in daemon.json, its flag, its kind. Flag parser, file reader and help text read this one table.

export type SettingKind = 'string' | 'bool' | 'int' | 'list' | 'map' | 'ulimits' | 'runtimes'

export interface Setting {
  /** In daemon.json. */
  readonly key: string
  /** Without dashes: where Docker's flag is the singular of its key, so is ours. */
  readonly flag: string
  readonly short?: string
  readonly kind: SettingKind
  readonly help: string
}

const setting = (kind: SettingKind, key: string, flag: string, help: string, short?: string): Setting => ({
  key,
  flag,
  kind,
  help,
  ...(short === undefined ? {} : { short }),
})

export const SETTINGS: readonly Setting[] = [
  setting('string', 'bip', 'bip', 'IPv4 address for the default bridge'),
  setting('string', 'bridge', 'bridge', 'Attach containers to a network bridge', 'b'),
  setting('string', 'cgroup-parent', 'cgroup-parent', 'Set parent cgroup for all containers'),
  setting('string', 'containerd', 'containerd', 'containerd grpc address'),
  setting('string', 'containerd-namespace', 'containerd-namespace', 'Containerd namespace to use'),
  setting('string', 'data-root', 'data-root', 'Root directory of persistent state'),
  setting('bool', 'debug', 'debug', 'Enable debug mode', 'D'),
  setting('string', 'default-runtime', 'default-runtime', 'Default OCI runtime for containers'),
  setting('ulimits', 'default-ulimits', 'default-ulimit', 'Default ulimits for containers'),
  setting('list', 'dns', 'dns', 'DNS server to use'),
  setting('list', 'dns-opts', 'dns-opt', 'DNS options to use'),
  setting('list', 'dns-search', 'dns-search', 'DNS search domains to use'),
  setting('string', 'exec-root', 'exec-root', 'Root directory for execution state files'),
  setting('bool', 'experimental', 'experimental', 'Enable experimental features'),
  setting('string', 'group', 'group', 'Group for the unix socket', 'G'),
  setting('list', 'hosts', 'host', 'Daemon socket(s) to connect to', 'H'),
  setting('bool', 'icc', 'icc', 'Enable inter-container communication for the default bridge network'),
  setting('bool', 'init', 'init', 'Run an init in the container to forward signals and reap processes'),
  setting('list', 'insecure-registries', 'insecure-registry', 'Enable insecure registry communication'),
  setting('string', 'ip', 'ip', 'Host IP for port publishing from the default bridge network'),
  setting('bool', 'ip-forward', 'ip-forward', 'Enable IP forwarding in system configuration'),
  setting('bool', 'ip-masq', 'ip-masq', "Enable IP masquerading for the default bridge's IP range"),
  setting('bool', 'iptables', 'iptables', 'Enable addition of firewall rules'),
  setting('list', 'labels', 'label', 'Set key=value labels to the daemon'),
  setting('bool', 'live-restore', 'live-restore', 'Keep containers running while the daemon is away (always so)'),
  setting('string', 'log-driver', 'log-driver', 'Default driver for container logs'),
  setting('string', 'log-level', 'log-level', 'Set the logging level ("debug"|"info"|"warn"|"error")', 'l'),
  setting('map', 'log-opts', 'log-opt', 'Default log driver options for containers'),
  setting('int', 'max-concurrent-downloads', 'max-concurrent-downloads', 'Set the max concurrent downloads'),
  setting('int', 'mtu', 'mtu', 'Set the MTU for the default "bridge" network'),
  setting('bool', 'no-new-privileges', 'no-new-privileges', 'Set no-new-privileges by default for new containers'),
  setting('string', 'pidfile', 'pidfile', 'Path to use for daemon PID file', 'p'),
  setting('list', 'registry-mirrors', 'registry-mirror', 'Preferred registry mirror'),
  setting('runtimes', 'runtimes', 'add-runtime', 'Register an additional OCI compatible runtime'),
  setting('int', 'shutdown-timeout', 'shutdown-timeout', 'Set the default shutdown timeout'),
  setting('bool', 'tls', 'tls', 'Use TLS; only =false is supported: it allows a tcp host without encryption'),
  setting('bool', 'userland-proxy', 'userland-proxy', 'Use userland proxy for loopback traffic'),
]

/** Docker's other keys without an effect here: named in a warning. */
export const IGNORED_KEYS: ReadonlySet<string> = new Set([
  'allow-direct-routing',
  'bip6',
  'bridge-accept-fwmark',
  'builder',
  'cdi-spec-dirs',
  'containerd-plugin-namespace',
  'cpu-rt-period',
  'cpu-rt-runtime',
  'cri-containerd',
  'default-address-pools',
  'default-cgroupns-mode',
  'default-gateway',
  'default-gateway-v6',
  'default-init',
  'default-ipc-mode',
  'default-network-opts',
  'default-shm-size',
  'default-stop-timeout',
  'exec-opts',
  'features',
  'firewall-backend',
  'fixed-cidr',
  'fixed-cidr-v6',
  'host-gateway-ip',
  'host-gateway-ips',
  'http-proxy',
  'https-proxy',
  'no-proxy',
  'proxies',
  'init-path',
  'ip-forward-no-drop',
  'ip6tables',
  'ipv6',
  'log-format',
  'max-concurrent-uploads',
  'max-download-attempts',
  'metrics-addr',
  'min-api-version',
  'network-control-plane-mtu',
  'network-diagnostic-port',
  'node-generic-resources',
  'nri-opts',
  'raw-logs',
  'resolv-conf',
  'storage-driver',
  'storage-opts',
  'swarm-default-advertise-addr',
  'swarm-raft-election-tick',
  'swarm-raft-heartbeat-tick',
  'userland-proxy-path',
  'deprecated-key-path',
  'allow-nondistributable-artifacts',
])

/** Docker's keys that guard something: a daemon that ignored them would be less safe than its owner believes, so it does not start. */
export const REFUSED_KEYS: ReadonlySet<string> = new Set([
  'authorization-plugins',
  'rootless',
  'seccomp-profile',
  'selinux-enabled',
  'tlscacert',
  'tlscert',
  'tlskey',
  'tlsverify',
  'userns-remap',
])
