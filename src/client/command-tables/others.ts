// Networks, plugins, and what images have beside the short commands.
import type { CommandEntry } from '../command-index.ts'

const inspect = async () => await import('../commands/inspect.ts')

export const OTHER_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['image prune'],
    usage: '[OPTIONS]',
    summary: 'Remove unused images',
    since: '1.25',
    load: async () => (await import('../commands/image-prune.ts')).imagePrune,
  },
  {
    paths: ['network inspect'],
    usage: '[OPTIONS] NETWORK [NETWORK...]',
    summary: 'Display detailed information on one or more networks',
    load: async () => (await inspect()).inspectNetworks,
  },
  {
    paths: ['network ls', 'network list'],
    usage: '[OPTIONS]',
    summary: 'List networks',
    load: async () => (await import('../commands/network-ls.ts')).networkLs,
  },
  {
    paths: ['plugin inspect'],
    usage: '[OPTIONS] PLUGIN [PLUGIN...]',
    summary: 'Display detailed information on one or more plugins',
    load: async () => (await inspect()).inspectPlugins,
  },
  {
    paths: ['plugin ls', 'plugin list'],
    usage: '[OPTIONS]',
    summary: 'List plugins',
    load: async () => (await import('../commands/plugin-ls.ts')).pluginLs,
  },
]
