// volume …: what containers keep.
import type { CommandEntry } from '../command-index.ts'

const volume = async () => await import('../commands/volume.ts')

export const VOLUME_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['volume create'],
    usage: '[OPTIONS] [VOLUME]',
    summary: 'Create a volume',
    load: async () => (await import('../commands/volume-create.ts')).volumeCreate,
  },
  {
    paths: ['volume inspect'],
    usage: '[OPTIONS] VOLUME [VOLUME...]',
    summary: 'Display detailed information on one or more volumes',
    load: async () => (await import('../commands/inspect.ts')).inspectVolumes,
  },
  {
    paths: ['volume ls', 'volume list'],
    usage: '[OPTIONS]',
    summary: 'List volumes',
    load: async () => (await volume()).volumeList,
  },
  {
    paths: ['volume prune'],
    since: '1.25',
    usage: '[OPTIONS]',
    summary: 'Remove unused local volumes',
    load: async () => (await volume()).volumePrune,
  },
  {
    paths: ['volume rm', 'volume remove'],
    usage: '[OPTIONS] VOLUME [VOLUME...]',
    summary: 'Remove one or more volumes',
    load: async () => (await volume()).volumeRemove,
  },
  {
    paths: ['volume update'],
    since: '1.42',
    needsSwarm: 'manager',
    usage: '[OPTIONS] [VOLUME]',
    summary: 'Update a volume (cluster volumes only)',
    load: async () => (await volume()).volumeUpdate,
  },
]
