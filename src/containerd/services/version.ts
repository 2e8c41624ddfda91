// containerd.services.version.v1
import type { Version } from '../../gen/services/version_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'

/** Clients choose their behaviour by it: what is served here is containerd's surface of this version. */
export const CONTAINERD_VERSION = 'v1.7.27+berth'

/** Where containerd's own `--version` names its source: scripts take the third word as the version. */
export const CONTAINERD_PACKAGE = 'github.com/containerd/containerd'

export function createVersionService(): ServiceHandlers<typeof Version> {
  return { version: () => ({ version: CONTAINERD_VERSION, revision: '' }) }
}
