// containerd.services.introspection.v1: what this daemon consists of, in the words of containerd's plugins.
import { readlinkSync } from 'node:fs'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Introspection, PluginSchema } from '../../gen/services/introspection_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'

export function createIntrospectionService(options: {
  /** Stays the same over the life of the data directory. */
  uuid: string
  platform: { os: string; architecture: string }
  /** By name: what each can do beyond the usual. */
  snapshotters: ReadonlyMap<string, readonly string[]>
}): ServiceHandlers<typeof Introspection> {
  return {
    plugins: ({ filters }) => {
      const matches = parseFilters(filters)
      return {
        plugins: listPlugins(options).filter(({ type = '', id = '' }) => matches(lookupIn({ type, id }, {}))),
      }
    },
    server: () => ({ uuid: options.uuid, pid: BigInt(process.pid), pidns: pidNamespace() }),
  }
}

/** The services that clients look for before they use them. */
const PLUGINS: [type: string, id: string][] = [
  ['io.containerd.content.v1', 'content'],
  ['io.containerd.metadata.v1', 'lmdb'],
  ['io.containerd.differ.v1', 'walking'],
  ['io.containerd.gc.v1', 'scheduler'],
  ['io.containerd.runtime.v2', 'task'],
  ...[
    'containers',
    'content',
    'diff',
    'events',
    'images',
    'introspection',
    'leases',
    'namespaces',
    'snapshots',
    'tasks',
    'version',
  ].map((id): [string, string] => ['io.containerd.grpc.v1', id]),
]

function listPlugins(options: {
  platform: { os: string; architecture: string }
  snapshotters: ReadonlyMap<string, readonly string[]>
}): MessageInitShape<typeof PluginSchema>[] {
  const platforms = [options.platform]
  const snapshotters = [...options.snapshotters].map(([id, capabilities]) => ({
    type: 'io.containerd.snapshotter.v1',
    id,
    platforms,
    capabilities: [...capabilities],
  }))
  const others = PLUGINS.map(([type, id]) => ({
    type,
    id,
    ...(type === 'io.containerd.differ.v1' ? { platforms } : {}),
  }))
  return [...snapshotters, ...others]
}

function pidNamespace(): bigint {
  const inode = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))
  return BigInt(inode?.[0] ?? 0)
}
