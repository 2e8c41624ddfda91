// manifest …: lists of images for several platforms.
import type { CommandEntry } from '../command-index.ts'

const manifest = async () => await import('../commands/manifest.ts')

export const MANIFEST_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['manifest annotate'],
    usage: '[OPTIONS] MANIFEST_LIST MANIFEST',
    summary: 'Add additional information to a local image manifest',
    load: async () => (await manifest()).manifestAnnotate,
  },
  {
    paths: ['manifest create'],
    usage: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
    summary: 'Create a local manifest list for annotating and pushing to a registry',
    load: async () => (await manifest()).manifestCreate,
  },
  {
    paths: ['manifest inspect'],
    usage: '[OPTIONS] [MANIFEST_LIST] MANIFEST',
    summary: 'Display an image manifest, or manifest list',
    load: async () => (await manifest()).manifestInspect,
  },
  {
    paths: ['manifest push'],
    usage: '[OPTIONS] MANIFEST_LIST',
    summary: 'Push a manifest list to a repository',
    load: async () => (await manifest()).manifestPush,
  },
  {
    paths: ['manifest rm'],
    usage: 'MANIFEST_LIST [MANIFEST_LIST...]',
    summary: 'Delete one or more manifest lists from local storage',
    load: async () => (await manifest()).manifestRm,
  },
]
