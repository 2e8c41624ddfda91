// What containerd's plugins say of themselves besides their names: what they need, where they keep things, what they can.
import { join } from 'node:path'

export interface PluginDetails {
  requires?: string[]
  exports?: Record<string, string>
  capabilities?: string[]
}

/** @param root the daemon's data directory. */
export function pluginDetails(type: string, id: string, root: string): PluginDetails {
  const requires = REQUIRES[`${type}/${id}`] ?? REQUIRES[type]
  const exports = exportsOf(type, id, root)
  return {
    ...(requires === undefined ? {} : { requires: requires.map((name) => `io.containerd.${name}.v1`) }),
    ...(exports === undefined ? {} : { exports }),
  }
}

/** Of one plugin, or of all of a type; `io.containerd.….v1` around each name. */
const REQUIRES: Record<string, readonly string[]> = {
  'io.containerd.metadata.v1': ['content', 'event', 'snapshotter'],
  'io.containerd.differ.v1': ['metadata'],
  'io.containerd.gc.v1': ['metadata'],
  'io.containerd.runtime.v2': ['event', 'metadata'],
  'io.containerd.lease.v1': ['metadata', 'gc'],
  'io.containerd.sandbox.store.v1': ['metadata'],
  'io.containerd.sandbox.controller.v1': ['event'],
  'io.containerd.grpc.v1/containers': ['event', 'metadata'],
  'io.containerd.grpc.v1/content': ['event', 'metadata'],
  'io.containerd.grpc.v1/diff': ['differ'],
  'io.containerd.grpc.v1/events': ['event'],
  'io.containerd.grpc.v1/images': ['metadata', 'gc'],
  'io.containerd.grpc.v1/leases': ['lease'],
  'io.containerd.grpc.v1/namespaces': ['event', 'metadata'],
  'io.containerd.grpc.v1/sandbox-controllers': ['sandbox.controller', 'event'],
  'io.containerd.grpc.v1/sandboxes': ['sandbox.store'],
  'io.containerd.grpc.v1/snapshots': ['event', 'metadata'],
  'io.containerd.grpc.v1/tasks': ['event', 'runtime', 'metadata'],
}

function exportsOf(type: string, id: string, root: string): Record<string, string> | undefined {
  switch (type) {
    case 'io.containerd.content.v1':
      return { root: join(root, 'content') }
    case 'io.containerd.snapshotter.v1':
      return { root: join(root, id) }
    case 'io.containerd.metadata.v1':
      return { path: join(root, 'meta.db'), policy: 'shared' }
    case 'io.containerd.runtime.v2':
      return { 'log-uri-schemes': 'fifo,binary,binary-v2,file' }
    default:
      return undefined
  }
}
