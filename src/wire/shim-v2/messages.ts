// The messages that a shim and containerd exchange. proto/ has them too, with their origin; messages.test.ts holds the two against each other.
import {
  bool,
  bytes,
  int32,
  int64,
  type Message,
  message,
  type MessageInit,
  nested,
  repeated,
  text,
  texts,
  uint32,
} from '../protobuf/message.ts'

export const Any = message({ typeUrl: text(1), value: bytes(2) })
export type Any = Message<typeof Any>

export const Timestamp = message({ seconds: int64(1), nanos: int32(2) })

export function timestampOf(epochNs: bigint): MessageInit<typeof Timestamp> {
  return { seconds: epochNs / 1_000_000_000n, nanos: Number(epochNs % 1_000_000_000n) }
}

export const Empty = message({})

export const Mount = message({ type: text(1), source: text(2), target: text(3), options: repeated(text(4)) })

export const Platform = message({ os: text(1), architecture: text(2), variant: text(3) })

/** containerd.v1.types.Status */
export const STATUS = { unknown: 0, created: 1, running: 2, stopped: 3, paused: 4, pausing: 5 } as const

export const ProcessInfo = message({ pid: uint32(1), info: nested(2, Any) })

// containerd.task.v3, and v2.

/** Of the many requests that name a process and nothing else; an empty execId is the first one. */
export const ProcessRequest = message({ id: text(1), execId: text(2) })

export const ContainerRequest = message({ id: text(1) })

export const CreateTaskRequest = message({
  id: text(1),
  bundle: text(2),
  rootfs: repeated(nested(3, Mount)),
  terminal: bool(4),
  stdin: text(5),
  stdout: text(6),
  stderr: text(7),
  checkpoint: text(8),
  parentCheckpoint: text(9),
  options: nested(10, Any),
})

/** Of Create and Start. */
export const PidResponse = message({ pid: uint32(1) })

export const DeleteResponse = message({ pid: uint32(1), exitStatus: uint32(2), exitedAt: nested(3, Timestamp) })

export const WaitResponse = message({ exitStatus: uint32(1), exitedAt: nested(2, Timestamp) })

export const ExecProcessRequest = message({
  id: text(1),
  execId: text(2),
  terminal: bool(3),
  stdin: text(4),
  stdout: text(5),
  stderr: text(6),
  spec: nested(7, Any),
})

export const ResizePtyRequest = message({ id: text(1), execId: text(2), width: uint32(3), height: uint32(4) })

export const StateResponse = message({
  id: text(1),
  bundle: text(2),
  pid: uint32(3),
  status: int32(4),
  stdin: text(5),
  stdout: text(6),
  stderr: text(7),
  terminal: bool(8),
  exitStatus: uint32(9),
  exitedAt: nested(10, Timestamp),
  execId: text(11),
})

export const KillRequest = message({ id: text(1), execId: text(2), signal: uint32(3), all: bool(4) })

export const CloseIORequest = message({ id: text(1), execId: text(2), stdin: bool(3) })

export const PidsResponse = message({ processes: repeated(nested(1, ProcessInfo)) })

export const CheckpointTaskRequest = message({ id: text(1), path: text(2), options: nested(3, Any) })

export const UpdateTaskRequest = message({ id: text(1), resources: nested(2, Any), annotations: texts(3) })

export const StatsResponse = message({ stats: nested(1, Any) })

export const ConnectResponse = message({ shimPid: uint32(1), taskPid: uint32(2), version: text(3) })

export const ShutdownRequest = message({ id: text(1), now: bool(2) })

// containerd.runtime.sandbox.v1

export const SandboxRequest = message({ sandboxId: text(1) })

export const StartSandboxResponse = message({ pid: uint32(1), createdAt: nested(2, Timestamp), spec: nested(3, Any) })

export const PlatformResponse = message({ platform: nested(1, Platform) })

export const SandboxStatusResponse = message({
  sandboxId: text(1),
  pid: uint32(2),
  state: text(3),
  info: texts(4),
  createdAt: nested(5, Timestamp),
  exitedAt: nested(6, Timestamp),
  extra: nested(7, Any),
})

export const Metric = message({ timestamp: nested(1, Timestamp), id: text(2), data: nested(3, Any) })

export const SandboxMetricsResponse = message({ metrics: nested(1, Metric) })

// containerd.services.events.ttrpc.v1

export const Envelope = message({
  timestamp: nested(1, Timestamp),
  namespace: text(2),
  topic: text(3),
  event: nested(4, Any),
})

export const ForwardRequest = message({ envelope: nested(1, Envelope) })

// containerd.runc.v1

export const Options = message({
  noPivotRoot: bool(1),
  noNewKeyring: bool(2),
  shimCgroup: text(3),
  ioUid: uint32(4),
  ioGid: uint32(5),
  binaryName: text(6),
  root: text(7),
  criuPath: text(8),
  systemdCgroup: bool(9),
  criuImagePath: text(10),
  criuWorkPath: text(11),
  taskApiAddress: text(12),
  taskApiVersion: uint32(13),
})
export type Options = Message<typeof Options>

/** containerd.linux.runc.CreateOptions, which `ctr` sends to runtimes that it does not know by name. */
export const CreateOptions = message({
  noPivotRoot: bool(1),
  noNewKeyring: bool(8),
  shimCgroup: text(9),
  ioUid: uint32(10),
  ioGid: uint32(11),
  criuWorkPath: text(12),
  criuImagePath: text(13),
})

export const CheckpointOptions = message({
  exit: bool(1),
  openTcp: bool(2),
  externalUnixSockets: bool(3),
  terminal: bool(4),
  fileLocks: bool(5),
  emptyNamespaces: repeated(text(6)),
  cgroupsMode: text(7),
  imagePath: text(8),
  workPath: text(9),
  parentPath: text(10),
})

export const ProcessDetails = message({ execId: text(1) })

// containerd.runtime.bootstrap.v1

export const BootstrapParams = message({
  instanceId: text(1),
  namespace: text(2),
  logLevel: int32(3),
  containerdVersion: text(4),
  containerdTtrpcAddress: text(5),
  containerdGrpcAddress: text(6),
  containerdBinary: text(7),
  extensions: repeated(nested(8, message({ value: nested(1, Any) }))),
  socketDir: text(9),
})
export type BootstrapParams = Message<typeof BootstrapParams>

export const BootstrapResult = message({ version: int32(1), address: text(2), protocol: text(3) })

// containerd.types, for -info

export const RuntimeInfo = message({
  name: text(1),
  version: nested(2, message({ version: text(1), revision: text(2) })),
  options: nested(3, Any),
  features: nested(4, Any),
  annotations: texts(5),
})
