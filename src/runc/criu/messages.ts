// criu's RPC (https://criu.org/RPC, rpc.proto), as far as a runtime speaks it. Proto2: whether a field is there counts.
import {
  bool,
  int32,
  type MessageInit,
  message,
  nested,
  optional,
  repeated,
  text,
  uint32,
} from '../../wire/protobuf/message.ts'

export const REQUEST = { dump: 1, restore: 2, preDump: 4, notify: 6, featureCheck: 9, version: 10 } as const

export const REQUEST_NAME: Readonly<Record<number, string>> = {
  0: 'EMPTY',
  [REQUEST.dump]: 'DUMP',
  [REQUEST.restore]: 'RESTORE',
  [REQUEST.preDump]: 'PRE_DUMP',
  [REQUEST.notify]: 'NOTIFY',
  [REQUEST.featureCheck]: 'FEATURE_CHECK',
  [REQUEST.version]: 'VERSION',
}

export const CGROUPS_MODE = { ignore: 0, soft: 3, full: 4, strict: 5 } as const
export const NETWORK_LOCK = { iptables: 1, nftables: 2, skip: 3 } as const

const pageServer = message({ address: optional(text(1)), port: optional(int32(2)) })
const externalMount = message({ key: optional(text(1)), value: optional(text(2)) })
const joinedNamespace = message({ type: optional(text(1)), path: optional(text(2)) })
const inherited = message({ key: optional(text(1)), descriptor: optional(int32(2)) })
const cgroupRoot = message({ controller: optional(text(1)), path: optional(text(2)) })

const options = message({
  imagesDirectory: optional(int32(1)),
  pid: optional(int32(2)),
  leaveRunning: optional(bool(3)),
  externalUnixSockets: optional(bool(4)),
  tcpEstablished: optional(bool(5)),
  evasiveDevices: optional(bool(6)),
  shellJob: optional(bool(7)),
  fileLocks: optional(bool(8)),
  logLevel: optional(int32(9)),
  logFile: optional(text(10)),
  pageServer: nested(11, pageServer),
  notifyScripts: optional(bool(12)),
  root: optional(text(13)),
  parentImages: optional(text(14)),
  trackMemory: optional(bool(15)),
  autoDedup: optional(bool(16)),
  workDirectory: optional(int32(17)),
  linkRemap: optional(bool(18)),
  externalMounts: repeated(nested(23, externalMount)),
  manageCgroups: optional(bool(24)),
  cgroupRoots: repeated(nested(25, cgroupRoot)),
  restoreSibling: optional(bool(26)),
  inherited: repeated(nested(27, inherited)),
  manageCgroupsMode: optional(int32(34)),
  external: repeated(text(37)),
  emptyNamespaces: optional(uint32(38)),
  joinedNamespaces: repeated(nested(39, joinedNamespace)),
  freezeCgroup: optional(text(44)),
  tcpSkipInFlight: optional(bool(46)),
  lazyPages: optional(bool(48)),
  statusDescriptor: optional(int32(49)),
  orphanPtsMaster: optional(bool(50)),
  configFile: optional(text(51)),
  tcpClose: optional(bool(52)),
  lsmProfile: optional(text(53)),
  lsmMountContext: optional(text(63)),
  networkLock: optional(int32(64)),
})

const features = message({ memoryTracking: optional(bool(1)), lazyPages: optional(bool(2)) })

export const criuRequest = message({
  type: optional(int32(1)),
  options: nested(2, options),
  notifySuccess: optional(bool(3)),
  features: nested(5, features),
})

const version = message({
  major: optional(int32(1)),
  minor: optional(int32(2)),
  gitId: optional(text(3)),
  sublevel: optional(int32(4)),
})

export const criuResponse = message({
  type: int32(1),
  success: bool(2),
  notification: nested(5, message({ script: text(1), pid: int32(2) })),
  errno: int32(7),
  features: nested(8, features),
  version: nested(10, version),
})

export type CriuRequest = MessageInit<typeof criuRequest>
export type CriuOptions = MessageInit<typeof options>
export type CriuFeatures = MessageInit<typeof features>
