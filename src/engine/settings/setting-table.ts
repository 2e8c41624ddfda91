// Every setting of the daemon: its key in daemon.json, its flag, its kind. Flag parser, file reader and help text read this one table.

export type SettingKind =
  | 'string'
  | 'bool'
  | 'int'
  /** A size in bytes, written with a unit: `64m`. */
  | 'bytes'
  | 'ip'
  | 'ips'
  | 'list'
  | 'map'
  /** Names that are on or off: `--feature name[=false]`. */
  | 'switches'
  | 'ulimits'
  | 'runtimes'
  /** Of a part that this engine does not have: any value. */
  | 'any'

export interface Setting {
  /** In daemon.json. */
  readonly key: string
  /** Without dashes: where Docker's flag is the singular of its key, so is ours. Undefined: only in the file. */
  readonly flag: string | undefined
  readonly short?: string
  readonly kind: SettingKind
  readonly help: string
  /** Understood, and named in a warning: it changes nothing here. */
  readonly hasNoEffect?: true
  /** Not in the help, as in Docker's. */
  readonly isHidden?: true
}

const setting = (kind: SettingKind, key: string, flag: string | undefined, help: string, short?: string): Setting => ({
  key,
  flag,
  kind,
  help,
  ...(short === undefined ? {} : { short }),
})

const inert = (kind: SettingKind, key: string, flag?: string, help = ''): Setting => ({
  ...setting(kind, key, flag, help),
  hasNoEffect: true,
})

const EFFECTIVE: readonly Setting[] = [
  setting('list', 'authorization-plugins', 'authorization-plugin', 'Authorization plugins to load'),
  setting('string', 'bip', 'bip', 'IPv4 address for the default bridge'),
  setting('string', 'bridge', 'bridge', 'Attach containers to a network bridge', 'b'),
  setting('list', 'cdi-spec-dirs', 'cdi-spec-dir', 'CDI specification directories to use'),
  setting('string', 'cgroup-parent', 'cgroup-parent', 'Set parent cgroup for all containers'),
  setting('string', 'containerd', 'containerd', 'containerd grpc address'),
  setting('string', 'containerd-namespace', 'containerd-namespace', 'Containerd namespace to use'),
  setting(
    'string',
    'containerd-plugin-namespace',
    'containerd-plugins-namespace',
    'Containerd namespace to use for plugins',
  ),
  setting(
    'int',
    'cpu-rt-period',
    'cpu-rt-period',
    'Limit the CPU real-time period in microseconds for the parent cgroup for all containers (not supported with cgroups v2)',
  ),
  setting(
    'int',
    'cpu-rt-runtime',
    'cpu-rt-runtime',
    'Limit the CPU real-time runtime in microseconds for the parent cgroup for all containers (not supported with cgroups v2)',
  ),
  setting('bool', 'cri-containerd', 'cri-containerd', 'start containerd with cri'),
  setting('string', 'data-root', 'data-root', 'Root directory of persistent state'),
  setting('bool', 'debug', 'debug', 'Enable debug mode', 'D'),
  setting(
    'string',
    'default-cgroupns-mode',
    'default-cgroupns-mode',
    'Default mode for containers cgroup namespace ("host" | "private")',
  ),
  setting('string', 'default-init', undefined, ''),
  setting(
    'string',
    'default-ipc-mode',
    'default-ipc-mode',
    'Default mode for containers ipc ("shareable" | "private")',
  ),
  setting('string', 'default-runtime', 'default-runtime', 'Default OCI runtime for containers'),
  setting('bytes', 'default-shm-size', 'default-shm-size', 'Default shm size for containers'),
  setting('int', 'default-stop-timeout', 'default-stop-timeout', 'Default stop timeout for containers, in seconds'),
  setting('ulimits', 'default-ulimits', 'default-ulimit', 'Default ulimits for containers'),
  setting('ips', 'dns', 'dns', 'DNS server to use'),
  setting('list', 'dns-opts', 'dns-opt', 'DNS options to use'),
  setting('list', 'dns-search', 'dns-search', 'DNS search domains to use'),
  setting('list', 'exec-opts', 'exec-opt', 'Runtime execution options'),
  setting('string', 'exec-root', 'exec-root', 'Root directory for execution state files'),
  setting('bool', 'experimental', 'experimental', 'Enable experimental features'),
  setting('switches', 'features', 'feature', 'Enable feature in the daemon'),
  setting('string', 'group', 'group', 'Group for the unix socket', 'G'),
  setting(
    'ips',
    'host-gateway-ips',
    'host-gateway-ip',
    "IP addresses that the special 'host-gateway' string in --add-host resolves to. Defaults to the IP addresses of the default bridge",
  ),
  setting('ip', 'host-gateway-ip', undefined, ''),
  setting('list', 'hosts', 'host', 'Daemon socket(s) to connect to', 'H'),
  setting('string', 'http-proxy', 'http-proxy', 'HTTP proxy URL to use for outgoing traffic'),
  setting('string', 'https-proxy', 'https-proxy', 'HTTPS proxy URL to use for outgoing traffic'),
  setting('bool', 'icc', 'icc', 'Enable inter-container communication for the default bridge network'),
  setting('bool', 'init', 'init', 'Run an init in the container to forward signals and reap processes'),
  setting('string', 'init-path', 'init-path', 'Path to the docker-init binary'),
  setting('list', 'insecure-registries', 'insecure-registry', 'Enable insecure registry communication'),
  setting('ip', 'ip', 'ip', 'Host IP for port publishing from the default bridge network'),
  setting('bool', 'ip-forward', 'ip-forward', 'Enable IP forwarding in system configuration'),
  setting('bool', 'ip-masq', 'ip-masq', 'Enable IP masquerading for the default bridge network'),
  setting('bool', 'iptables', 'iptables', 'Enable addition of iptables rules'),
  setting('list', 'labels', 'label', 'Set key=value labels to the daemon'),
  setting(
    'bool',
    'live-restore',
    'live-restore',
    'Keep containers running while the daemon is away (on unless =false is said)',
  ),
  setting('string', 'log-driver', 'log-driver', 'Default driver for container logs'),
  setting('string', 'log-format', 'log-format', 'Set the logging format ("text"|"json")'),
  setting('string', 'log-level', 'log-level', 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")', 'l'),
  setting('map', 'log-opts', 'log-opt', 'Default log driver options for containers'),
  setting('int', 'max-concurrent-downloads', 'max-concurrent-downloads', 'Set the max concurrent downloads'),
  setting('int', 'max-concurrent-uploads', 'max-concurrent-uploads', 'Set the max concurrent uploads'),
  setting('int', 'max-download-attempts', 'max-download-attempts', 'Set the max download attempts for each pull'),
  setting('string', 'metrics-addr', 'metrics-addr', 'Set default address and port to serve the metrics api on'),
  setting('string', 'min-api-version', undefined, ''),
  setting('int', 'mtu', 'mtu', 'Set the MTU for the default "bridge" network'),
  setting('bool', 'no-new-privileges', 'no-new-privileges', 'Set no-new-privileges by default for new containers'),
  setting(
    'string',
    'no-proxy',
    'no-proxy',
    'Comma-separated list of hosts or IP addresses for which the proxy is skipped',
  ),
  setting('string', 'pidfile', 'pidfile', 'Path to use for daemon PID file', 'p'),
  setting('bool', 'raw-logs', 'raw-logs', 'Full timestamps without ANSI coloring'),
  setting('list', 'registry-mirrors', 'registry-mirror', 'Preferred registry mirror'),
  setting('string', 'resolv-conf', undefined, ''),
  setting('bool', 'rootless', 'rootless', 'Enable rootless mode; typically used with RootlessKit'),
  setting('runtimes', 'runtimes', 'add-runtime', 'Register an additional OCI compatible runtime'),
  setting(
    'string',
    'seccomp-profile',
    'seccomp-profile',
    'Path to seccomp profile. Set to "unconfined" to disable the default seccomp profile',
  ),
  setting('bool', 'selinux-enabled', 'selinux-enabled', 'Enable selinux support'),
  setting(
    'bool',
    'serve-images',
    'serve-images',
    'Serve the images as a read-only registry on the addresses of the API',
  ),
  setting(
    'string',
    'signature-policy',
    'signature-policy',
    'File that says whose signatures images must have to be pulled',
  ),
  setting('int', 'shutdown-timeout', 'shutdown-timeout', 'Set the default shutdown timeout'),
  setting('string', 'storage-driver', 'storage-driver', 'Storage driver to use', 's'),
  setting('list', 'storage-opts', 'storage-opt', 'Storage driver options'),
  setting('bool', 'tls', 'tls', 'Use TLS; implied by --tlsverify'),
  setting('bool', 'tlsverify', 'tlsverify', 'Use TLS and verify the remote'),
  setting('string', 'tlscacert', 'tlscacert', 'Trust certs signed only by this CA'),
  setting('string', 'tlscert', 'tlscert', 'Path to TLS certificate file'),
  setting('string', 'tlskey', 'tlskey', 'Path to TLS key file'),
  setting('bool', 'userland-proxy', 'userland-proxy', 'Use userland proxy for loopback traffic'),
  setting('string', 'userns-remap', 'userns-remap', 'User/Group setting for user namespaces'),
]

/** Of the network, of swarm and of what Docker itself gave up. */
const INERT: readonly Setting[] = [
  inert(
    'bool',
    'allow-direct-routing',
    'allow-direct-routing',
    'Allow remote access to published ports on container IP addresses',
  ),
  {
    ...inert(
      'list',
      'allow-nondistributable-artifacts',
      'allow-nondistributable-artifacts',
      'Allow push of nondistributable artifacts to registry',
    ),
    isHidden: true,
  },
  inert('string', 'bip6', 'bip6', 'IPv6 address for the default bridge'),
  inert(
    'string',
    'bridge-accept-fwmark',
    'bridge-accept-fwmark',
    'In bridge networks, accept packets with this firewall mark/mask',
  ),
  inert('any', 'builder'),
  inert(
    'any',
    'default-address-pools',
    'default-address-pool',
    'Default address pools for node specific local networks',
  ),
  inert('ip', 'default-gateway', 'default-gateway', 'Default gateway IPv4 address for the default bridge network'),
  inert(
    'ip',
    'default-gateway-v6',
    'default-gateway-v6',
    'Default gateway IPv6 address for the default bridge network',
  ),
  inert('any', 'default-network-opts', 'default-network-opt', 'Default network options'),
  inert('string', 'deprecated-key-path'),
  inert('string', 'firewall-backend', 'firewall-backend', 'Firewall backend to use, iptables or nftables'),
  inert('string', 'fixed-cidr', 'fixed-cidr', 'IPv4 subnet for the default bridge network'),
  inert('string', 'fixed-cidr-v6', 'fixed-cidr-v6', 'IPv6 subnet for the default bridge network'),
  inert(
    'bool',
    'ip-forward-no-drop',
    'ip-forward-no-drop',
    'Do not set the filter-FORWARD policy to DROP when enabling IP forwarding',
  ),
  inert('bool', 'ip6tables', 'ip6tables', 'Enable addition of ip6tables rules'),
  inert('bool', 'ipv6', 'ipv6', 'Enable IPv6 networking for the default bridge network'),
  inert('int', 'network-control-plane-mtu', 'network-control-plane-mtu', 'Network Control plane MTU'),
  {
    ...inert(
      'int',
      'network-diagnostic-port',
      'network-diagnostic-port',
      'TCP port number of the network diagnostic server',
    ),
    isHidden: true,
  },
  inert('list', 'node-generic-resources', 'node-generic-resource', 'Advertise user-defined resource'),
  inert('any', 'nri-opts', 'nri-opts', 'Node Resource Interface configuration'),
  inert(
    'string',
    'swarm-default-advertise-addr',
    'swarm-default-advertise-addr',
    'Set default address or interface for swarm advertised address',
  ),
  inert('int', 'swarm-raft-election-tick'),
  inert('int', 'swarm-raft-heartbeat-tick'),
  inert('string', 'userland-proxy-path', 'userland-proxy-path', 'Path to the userland proxy binary'),
]

export const SETTINGS: readonly Setting[] = [...EFFECTIVE, ...INERT]
