// The daemon's settings after flags and daemon.json have been merged: load-config.ts makes it. A reload changes some of them in place
// (reload.ts): read one where it is used, and do not keep it.
import type { LogFormat, LogLevel } from '../base/log.ts'
import type { ProxySettings } from './settings/proxy-setting.ts'
import type { RuntimeSetting } from './settings/runtime-setting.ts'
import type { IdMap } from './userns/id-map.ts'

export interface TlsSettings {
  /** Undefined: nobody said a word about TLS. */
  isOn: boolean | undefined
  /** Clients must show a certificate that `caFile` vouches for. */
  verifiesClients: boolean
  caFile: string
  certFile: string
  keyFile: string
}

export interface EngineConfig {
  dataRoot: string
  execRoot: string
  pidFile: string
  hosts: string[]
  tls: TlsSettings
  containerdAddress: string | undefined
  containerdNamespace: string
  containerdPluginNamespace: string
  debug: boolean
  logLevel: LogLevel
  logFormat: LogFormat
  /** Owns the unix sockets together with root. */
  group: string
  bridge: string | undefined
  bip: string | undefined
  insecureRegistries: string[]
  registryMirrors: string[]
  proxies: ProxySettings
  logDriver: string
  logOptions: Record<string, string>
  /** OCI runtimes besides our own, by the name that `--runtime` gives. */
  runtimes: Record<string, RuntimeSetting>
  defaultRuntime: string
  defaultUlimits: Record<string, { name: string; soft: number; hard: number }>
  /** `private`, `shareable`. */
  defaultIpcMode: string
  /** Undefined: private with control groups of version 2, the host's with those of version 1. */
  defaultCgroupnsMode: 'host' | 'private' | undefined
  defaultShmBytes: number
  defaultStopTimeoutSeconds: number
  labels: string[]
  features: Record<string, boolean>
  /** Checkpoints can be started from. */
  isExperimental: boolean
  authorizationPlugins: string[]
  /** Empty: devices by CDI names are turned off. */
  cdiSpecDirectories: string[]
  maxConcurrentDownloads: number
  maxConcurrentUploads: number
  maxDownloadAttempts: number
  metricsAddress: string
  /** The images can be pulled from the API's own addresses. */
  servesImages: boolean
  /** Absolute path of the file that says whose signatures images must have; empty: nobody's. */
  signaturePolicy: string
  /** Requests of older versions are refused. */
  minApiVersion: string
  /** Negative: containers are waited for however long they take. */
  shutdownTimeoutSeconds: number
  cgroupParent: string
  cgroupDriver: 'cgroupfs' | 'systemd'
  iptables: boolean
  ipForward: boolean
  ipMasq: boolean
  interContainerCommunication: boolean
  userlandProxy: boolean
  defaultPublishAddress: string
  mtu: number
  noNewPrivileges: boolean
  init: boolean
  /** Of docker-init: absolute, or a name to look for; undefined: its own. */
  initPath: string | undefined
  /** `builtin`, `unconfined`, or the path of a profile. */
  seccompProfile: string
  /** `user[:group]`, `default`; empty: containers have the host's users. */
  usernsRemap: string
  /** What that comes to; undefined: containers have the host's users. */
  idMap: IdMap | undefined
  liveRestore: boolean
  dns: string[]
  dnsSearch: string[]
  dnsOptions: string[]
  /** What `host-gateway` stands for; empty: the bridge's own address. */
  hostGatewayAddresses: string[]
  /** Taken for the host's /etc/resolv.conf; empty: that one. */
  resolvConf: string
}
