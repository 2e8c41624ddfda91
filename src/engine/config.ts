// The daemon's settings after flags and daemon.json have been merged: load-config.ts makes it.
import type { LogLevel } from '../base/log.ts'
import type { RuntimeSetting } from './settings/runtime-setting.ts'

export interface EngineConfig {
  dataRoot: string
  execRoot: string
  pidFile: string
  hosts: string[]
  containerdAddress: string | undefined
  containerdNamespace: string
  debug: boolean
  logLevel: LogLevel
  /** Owns the unix sockets together with root. */
  group: string
  /** `--tls=false` was said: without it no tcp socket is opened. */
  allowPlainTcp: boolean
  bridge: string | undefined
  bip: string | undefined
  insecureRegistries: string[]
  registryMirrors: string[]
  logDriver: string
  logOptions: Record<string, string>
  /** OCI runtimes besides our own, by the name that `--runtime` gives. */
  runtimes: Record<string, RuntimeSetting>
  defaultRuntime: string
  defaultUlimits: Record<string, { name: string; soft: number; hard: number }>
  labels: string[]
  maxConcurrentDownloads: number
  shutdownTimeoutSeconds: number
  cgroupParent: string
  iptables: boolean
  ipForward: boolean
  ipMasq: boolean
  interContainerCommunication: boolean
  userlandProxy: boolean
  defaultPublishAddress: string
  mtu: number
  noNewPrivileges: boolean
  init: boolean
  liveRestore: boolean
  /** Checkpoints can be started from. */
  isExperimental: boolean
  dns: string[]
  dnsSearch: string[]
  dnsOptions: string[]
}
