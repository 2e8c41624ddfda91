// volume create: POST /volumes/create.
import { type Command, ExitCode } from '../command.ts'
import type { Flag, FlagValues } from '../flags.ts'
import { checkLabel } from '../options/checks.ts'
import { parseBytes, parseKeyValues } from '../options/values.ts'

/** Of volumes that only a swarm has. */
const cluster = (flag: Flag): Flag => ({ ...flag, since: '1.42', needsSwarm: 'manager' })

const FLAGS: readonly Flag[] = [
  { name: 'driver', short: 'd', kind: 'string', usage: 'Specify volume driver name', default: '"local"' },
  { name: 'label', kind: 'list', usage: 'Set metadata for a volume', check: checkLabel },
  { name: 'name', kind: 'string', usage: 'Specify volume name', hidden: true },
  { name: 'opt', short: 'o', kind: 'list', type: 'map', usage: 'Set driver specific options', default: 'map[]' },
  ...[
    ['availability', 'Cluster Volume availability ("active", "pause", "drain")', 'active'],
    ['scope', 'Cluster Volume access scope ("single", "multi")', 'single'],
    ['sharing', 'Cluster Volume access sharing ("none", "readonly", "onewriter", "all")', 'none'],
    ['type', 'Cluster Volume access type ("mount", "block")', 'block'],
  ].map(([name = '', usage = '', value = '']) => cluster({ name, kind: 'string', usage, default: `"${value}"` })),
  cluster({ name: 'group', kind: 'string', usage: 'Cluster Volume group (cluster volumes)' }),
  ...[
    ['limit-bytes', 'Minimum size of the Cluster Volume in bytes'],
    ['required-bytes', 'Maximum size of the Cluster Volume in bytes'],
  ].map(([name = '', usage = '']) => cluster({ name, kind: 'string', type: 'bytes', usage, check: parseBytes })),
  cluster({ name: 'secret', kind: 'list', type: 'map', usage: 'Cluster Volume secrets', default: 'map[]' }),
  cluster({
    ...{ name: 'topology-preferred', kind: 'list' },
    usage: 'A topology that the Cluster Volume would be preferred in',
  }),
  cluster({
    ...{ name: 'topology-required', kind: 'list' },
    usage: 'A topology that the Cluster Volume must be accessible from',
  }),
]

/** Each makes the volume the swarm's affair. */
const CLUSTER_MARKS = ['group', 'scope', 'sharing', 'availability', 'type', 'limit-bytes', 'required-bytes']

export const volumeCreate: Command = {
  flags: FLAGS,
  args: { min: 0, max: 1 },
  async run(shell, [given], flags) {
    if (given !== undefined && flags.text('name'))
      throw new ExitCode(
        1,
        'conflicting options: cannot specify a volume-name through both --name and as a positional arg',
      )
    const body = {
      Driver: flags.text('driver') ?? 'local',
      ...named('DriverOpts', parseKeyValues(flags.list('opt'))),
      ...named('Labels', parseKeyValues(flags.list('label'))),
      Name: given ?? flags.text('name') ?? '',
      ...(CLUSTER_MARKS.some((name) => flags.isGiven(name)) ? { ClusterVolumeSpec: clusterSpec(flags) } : {}),
    }
    const { Name } = await shell.connection.json<{ Name: string }>({ method: 'POST', path: '/volumes/create', body })
    shell.print(`${Name}\n`)
    return 0
  },
}

/** Left out where there is nothing in it, as Go's encoder does. */
function named(field: string, values: Record<string, string>): Record<string, Record<string, string>> {
  return Object.keys(values).length === 0 ? {} : { [field]: values }
}

function clusterSpec(flags: FlagValues): object {
  const topologies = (name: string) => flags.list(name).map((text) => ({ Segments: parseKeyValues(text.split(',')) }))
  const bytes = (name: string) => parseBytes(flags.text(name) ?? '0')
  const type = flags.text('type') ?? 'block'
  const secrets = Object.entries(parseKeyValues(flags.list('secret'))).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    Group: flags.text('group') ?? '',
    AccessMode: {
      Scope: flags.text('scope') ?? 'single',
      Sharing: flags.text('sharing') ?? 'none',
      ...(type === 'mount' ? { MountVolume: {} } : type === 'block' ? { BlockVolume: {} } : {}),
    },
    AccessibilityRequirements: {
      Requisite: topologies('topology-required'),
      Preferred: topologies('topology-preferred'),
    },
    CapacityRange: { RequiredBytes: bytes('required-bytes'), LimitBytes: bytes('limit-bytes') },
    Secrets: secrets.map(([Key, Secret]) => ({ Key, Secret })),
    Availability: flags.text('availability') ?? 'active',
  }
}
