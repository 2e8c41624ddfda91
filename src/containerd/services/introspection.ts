// containerd.services.introspection.v1: what this daemon consists of, in the words of containerd's plugins.
import { readlinkSync } from 'node:fs'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { Failure } from '../../base/failure.ts'
import type { Introspection, PluginSchema } from '../../gen/services/introspection_pb.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import { type FieldLookup, lookupIn, parseFilters } from '../filters/parse-filter.ts'
import type { Deprecations } from './deprecations.ts'
import { pluginDetails } from './plugin-details.ts'
import { describeRuntime } from './runtime-info.ts'

export function createIntrospectionService(options: {
  /** Stays the same over the life of the data directory. */
  uuid: string
  root: string
  deprecations: Deprecations
  platform: { os: string; architecture: string }
  /** By URI: what the configuration switched off is not there. */
  isDisabled: (uri: string) => boolean
  /** By name: what each can do beyond the usual. */
  snapshotters: ReadonlyMap<string, readonly string[]>
}): ServiceHandlers<typeof Introspection> {
  return {
    plugins: ({ filters }) => {
      const matches = parseFilters(filters)
      return {
        plugins: listPlugins(options).filter(
          (plugin) => !options.isDisabled(`${plugin.type}.${plugin.id}`) && matches(lookupPlugin(plugin)),
        ),
      }
    },
    server: () => ({
      uuid: options.uuid,
      pid: BigInt(process.pid),
      pidns: pidNamespace(),
      deprecations: options.deprecations.list(),
    }),
    async pluginInfo({ type, id, options: asked }) {
      const plugin = listPlugins(options).find((candidate) => candidate.type === type && candidate.id === id)
      if (plugin === undefined) throw new Failure('not-found', `plugin ${type}.${id} not found: not found`)
      if (asked === undefined) return { plugin }
      if (type !== 'io.containerd.runtime.v2')
        throw new Failure('unimplemented', 'plugin does not provided extra information: not implemented')
      return { plugin, extra: await describeRuntime(asked) }
    },
  }
}

/** The services that clients look for before they use them. */
const PLUGINS: [type: string, id: string][] = [
  ['io.containerd.content.v1', 'content'],
  ['io.containerd.metadata.v1', 'lmdb'],
  ['io.containerd.differ.v1', 'walking'],
  ['io.containerd.event.v1', 'exchange'],
  ['io.containerd.gc.v1', 'scheduler'],
  ['io.containerd.lease.v1', 'manager'],
  ['io.containerd.sandbox.store.v1', 'local'],
  ['io.containerd.sandbox.controller.v1', 'shim'],
  ['io.containerd.runtime.v2', 'task'],
  ['io.containerd.streaming.v1', 'manager'],
  ['io.containerd.transfer.v1', 'local'],
  ...[
    'containers',
    'content',
    'diff',
    'events',
    'healthcheck',
    'images',
    'introspection',
    'leases',
    'namespaces',
    'sandbox-controllers',
    'sandboxes',
    'snapshots',
    'streaming',
    'tasks',
    'transfer',
    'version',
  ].map((id): [string, string] => ['io.containerd.grpc.v1', id]),
]

/** Those whose work depends on the machine. */
const PLATFORM_TYPES = ['io.containerd.snapshotter.v1', 'io.containerd.differ.v1', 'io.containerd.runtime.v2']

function listPlugins({
  platform,
  root,
  snapshotters,
}: {
  platform: { os: string; architecture: string }
  root: string
  snapshotters: ReadonlyMap<string, readonly string[]>
}): MessageInitShape<typeof PluginSchema>[] {
  const all = [
    ...[...snapshotters.keys()].map((id): [string, string] => ['io.containerd.snapshotter.v1', id]),
    ...PLUGINS,
  ]
  return all.map(([type, id]) => ({
    type,
    id,
    ...(PLATFORM_TYPES.includes(type) ? { platforms: [platform] } : {}),
    ...(type === 'io.containerd.snapshotter.v1' ? { capabilities: [...(snapshotters.get(id) ?? [])] } : {}),
    ...pluginDetails(type, id, root),
  }))
}

/** `capabilities` asks for one by its name. */
function lookupPlugin({ type, id, capabilities = [] }: MessageInitShape<typeof PluginSchema>): FieldLookup {
  const fields = lookupIn({ type, id }, {})
  return ([head, ...rest]) => {
    if (head !== 'capabilities') return fields(head === undefined ? [] : [head, ...rest])
    return capabilities.includes(rest.join('.')) ? '' : undefined
  }
}

function pidNamespace(): bigint {
  const inode = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))
  return BigInt(inode?.[0] ?? 0)
}
